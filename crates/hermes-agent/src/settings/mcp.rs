//! `mcp_servers`: the servers of tools that speak the Model Context Protocol.
//!
//! A value of `env`, `headers` or `url` may have `${NAME}`: the variable of the profile's `.env`, else of the environment. `command` and
//! `args` are taken as they are: each process of the container can read them.

use std::collections::BTreeMap;
use std::time::Duration;

use hermes_core::config::Key;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::address::base_url_of;
use super::error::SettingsError;
use super::secret::Secret;
use super::server::Network;
use super::sources::{Sources, place};
use super::tools::ToolSettings;

/// The longest name of a server. A name of a tool has room for it.
const NAME_MAX: usize = 32;

const SERVER: &str = "a mapping with command or url";
const NAME: &str = "a name of at most 32 letters, digits, - and _";
const COMMAND: &str = "a program";
const URL: &str = "a URL such as https://HOST/mcp, without a user and a password";
const TEXTS: &str = "a list of texts";
const ENV: &str = "a mapping of variables to texts";
const HEADERS: &str = "a mapping of header names to texts of one line";
const SECONDS: &str = "a whole number of seconds of at least 1";

/// The settings of MCP servers, with all that a connection needs.
#[derive(Debug)]
pub struct McpSettings {
    /// `mcp_servers`, sorted by name.
    pub servers: Vec<McpServer>,
    /// The settings of the sandbox.
    pub tools: ToolSettings,
    /// The way to servers that speak HTTP.
    pub network: Network,
    /// Settings that have no effect, one sentence each.
    pub warnings: Vec<String>,
}

/// An MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpServer {
    /// The name.
    pub name: String,
    /// The address.
    pub address: McpAddress,
    /// `timeout`: the time limit of a call. 120 s by default.
    pub timeout: Duration,
    /// `connect_timeout`: the time for the start and the list of tools. 60 s by default.
    pub connect_timeout: Duration,
    /// `enabled`. It is `false`, too, if a variable is not set.
    pub enabled: bool,
    /// `tools.include`: the only tools that are used.
    pub include: Option<Vec<String>>,
    /// `tools.exclude`: tools that are not used.
    pub exclude: Vec<String>,
    /// The values of variables, the headers and the query of the address: no text for a person or a model has them.
    pub secrets: Vec<Secret>,
}

/// The address of an MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum McpAddress {
    /// A program that runs in the sandbox.
    Stdio {
        /// `command` and `args`.
        command: Vec<String>,
        /// `env`.
        env: BTreeMap<String, Secret>,
    },
    /// A server that speaks streamable HTTP.
    Http {
        /// `url`. Its query may hold a key.
        url: Secret,
        /// The same without a query, for messages.
        shown: String,
        /// `headers`.
        headers: BTreeMap<String, Secret>,
    },
}

impl McpServer {
    /// Returns `true` if the tool of this name is used.
    pub fn uses(&self, tool: &str) -> bool {
        let has = |names: &[String]| names.iter().any(|name| name == tool);
        self.include.as_deref().is_none_or(has) && !has(&self.exclude)
    }
}

/// The variables that an entry names.
#[derive(Default)]
struct Variables {
    unset: Vec<String>,
    secrets: Vec<Secret>,
}

/// Returns the servers. One that names a variable which is not set is disabled, with a warning: it must not stop the agent.
pub(super) fn servers(
    sources: &Sources<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<McpServer>, SettingsError> {
    const RULE: &str = "a mapping of names to servers";
    let names = sources
        .read("mcp_servers", RULE, |value| Some(value.as_object()?.keys().cloned().collect::<Vec<_>>()))?;
    let mut servers = Vec::new();
    for name in names.unwrap_or_default() {
        servers.push(Entry::new(sources, &name)?.server(warnings)?);
    }
    servers.sort_by(|one: &McpServer, other| one.name.cmp(&other.name));
    Ok(servers)
}

/// One entry of `mcp_servers`.
struct Entry<'a> {
    sources: &'a Sources<'a>,
    name: String,
    key: String,
}

impl<'a> Entry<'a> {
    fn new(sources: &'a Sources<'a>, name: &str) -> Result<Self, SettingsError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(fits) {
            let place = match sources.setting("mcp_servers") {
                Some(setting) => place("a name in mcp_servers", setting),
                None => "a name in mcp_servers".to_owned(),
            };
            return Err(SettingsError::Invalid { place, value: format!("{name:?}"), rule: NAME });
        }
        let entry = Self { sources, name: name.to_owned(), key: format!("mcp_servers.{name}") };
        let is_mapping = sources.read(&entry.key, SERVER, |value| value.is_object().then_some(()))?;
        match is_mapping {
            Some(()) => Ok(entry),
            None => Err(entry.invalid("", "empty", SERVER)),
        }
    }

    fn server(&self, warnings: &mut Vec<String>) -> Result<McpServer, SettingsError> {
        let (command, url) = (self.key("command"), self.key("url"));
        let mut variables = Variables::default();
        let address = match (self.sources.setting(&command), self.sources.setting(&url)) {
            (Some(_), Some(_)) => return Err(self.invalid("", "one with both", SERVER)),
            (None, None) => return Err(self.invalid("", "one without both", SERVER)),
            (Some(_), None) => self.stdio(&mut variables)?,
            (None, Some(_)) => self.http(&mut variables)?,
        };
        let Variables { unset, secrets } = variables;
        let enabled = self.sources.boolean(&self.key("enabled"))?.unwrap_or(true);
        if enabled && !unset.is_empty() {
            warnings.push(format!(
                "the MCP server {} is not used: {} is not set in .env of the profile",
                self.name,
                unset.join(", ")
            ));
        }
        let seconds = |key: &str, default: u64| {
            let found = self.sources.whole(&self.key(key), 1, SECONDS)?;
            Ok::<_, SettingsError>(Duration::from_secs(found.unwrap_or(default)))
        };
        Ok(McpServer {
            name: self.name.clone(),
            address,
            timeout: seconds("timeout", 120)?,
            connect_timeout: seconds("connect_timeout", 60)?,
            enabled: enabled && unset.is_empty(),
            include: self.texts("tools.include")?,
            exclude: self.texts("tools.exclude")?.unwrap_or_default(),
            secrets,
        })
    }

    fn stdio(&self, variables: &mut Variables) -> Result<McpAddress, SettingsError> {
        let text = |value: &Value| value.as_str().map(|text| text.trim().to_owned());
        let is_program = |text: &String| !text.is_empty() && !text.contains('\0');
        let command =
            self.sources.read(&self.key("command"), COMMAND, |value| text(value).filter(is_program))?;
        let arguments = self.texts("args")?.unwrap_or_default();
        let env = self.mapping("env", ENV, variables, |name, value| {
            !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
        })?;
        Ok(McpAddress::Stdio { command: command.into_iter().chain(arguments).collect(), env })
    }

    fn http(&self, variables: &mut Variables) -> Result<McpAddress, SettingsError> {
        let key = self.key("url");
        let text = self.sources.read(&key, URL, |value| value.as_str().map(str::to_owned));
        let text = text.map_err(|error| hidden(error, URL))?.unwrap_or_default();
        let expanded = self.expanded(&text, variables);
        let url = match base_url_of(&expanded) {
            Some(url) => url,
            // It is not used, so its address does not matter.
            None if !variables.unset.is_empty() => return Ok(unknown_address()),
            None => return Err(self.invalid("url", "a text that is not shown", URL)),
        };
        let headers = self.mapping("headers", HEADERS, variables, |name, value| {
            HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
        })?;
        variables.secrets.extend(headers.values().cloned());
        // A server that repeats a token leaves the scheme out.
        let tokens =
            headers.values().filter_map(|value| Some(Secret::new(value.reveal().split_once(' ')?.1)));
        variables.secrets.extend(tokens);
        variables.secrets.extend(url.query().map(Secret::new));
        Ok(McpAddress::Http { shown: super::address::shown(&url), url: Secret::new(url.as_str()), headers })
    }

    /// Reads a mapping of names to texts that may be secret. Numbers and booleans count as texts, as YAML has them.
    fn mapping(
        &self,
        key: &str,
        rule: &'static str,
        variables: &mut Variables,
        fits: impl Fn(&str, &str) -> bool,
    ) -> Result<BTreeMap<String, Secret>, SettingsError> {
        let text = |(name, value): (&String, &Value)| match value {
            Value::String(text) => Some((name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => Some((name.clone(), value.to_string())),
            _ => None,
        };
        let found = self.sources.read(&self.key(key), rule, |value| {
            value.as_object()?.iter().map(text).collect::<Option<Vec<_>>>()
        });
        let found = found.map_err(|error| hidden(error, rule))?;
        let mut mapping = BTreeMap::new();
        for (name, value) in found.unwrap_or_default() {
            let value = self.expanded(&value, variables);
            if !fits(&name, &value) {
                return Err(self.invalid(key, "a value that is not shown", rule));
            }
            mapping.insert(name, Secret::new(value));
        }
        Ok(mapping)
    }

    /// Replaces each `${NAME}` by its variable. Notes those that are not set.
    fn expanded(&self, text: &str, variables: &mut Variables) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            expanded.push_str(before);
            let named = after.split_once('}').filter(|(name, _)| is_variable(name));
            let Some((name, after)) = named else {
                expanded.push_str("${");
                rest = after;
                continue;
            };
            match self.sources.variable(name) {
                Some(value) => {
                    expanded.push_str(value);
                    variables.secrets.push(Secret::new(value));
                }
                None if variables.unset.iter().any(|known| known == name) => {}
                None => variables.unset.push(name.to_owned()),
            }
            rest = after;
        }
        expanded + rest
    }

    fn texts(&self, key: &str) -> Result<Option<Vec<String>>, SettingsError> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()).filter(|text| !text.contains('\0')),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            _ => None,
        };
        self.sources.read(&self.key(key), TEXTS, |value| value.as_array()?.iter().map(text).collect())
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.key)
    }

    fn invalid(&self, key: &str, value: &str, rule: &'static str) -> SettingsError {
        let key = if key.is_empty() { self.key.clone() } else { self.key(key) };
        // An empty value counts as missing elsewhere. Here it has a line.
        let setting = key.parse::<Key>().ok().and_then(|parsed| self.sources.config.get(&parsed));
        let place = setting.map_or_else(|| key.clone(), |setting| place(&key, setting));
        SettingsError::Invalid { place, value: value.to_owned(), rule }
    }
}

fn unknown_address() -> McpAddress {
    McpAddress::Http { url: Secret::new(""), shown: String::new(), headers: BTreeMap::new() }
}

/// Removes the value from an error: it may hold a secret.
fn hidden(error: SettingsError, rule: &'static str) -> SettingsError {
    match error {
        SettingsError::Invalid { place, .. } => {
            SettingsError::Invalid { place, value: "a value that is not shown".to_owned(), rule }
        }
        other => other,
    }
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
#[path = "mcp_tests.rs"]
mod tests;
