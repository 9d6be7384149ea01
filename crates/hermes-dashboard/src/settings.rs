//! The settings: address, login, proxies. The command line takes precedence over the environment, and that over the default profile's
//! `config.yaml`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use hermes_core::config::{Config, Key, is_service_link, service_link_warning};
use hermes_core::is_truthy;
use hermes_os::whole_file;
use ipnet::IpNet;

use crate::auth::{Password, PasswordHash};

/// The default port.
const DEFAULT_PORT: u16 = 9119;
/// The default user of a password.
const DEFAULT_USER: &str = "hermes";
/// The longest password, in bytes.
const PASSWORD_MAX: u64 = 4096;

const HOST: &str = "HERMES_DASHBOARD_HOST";
const PORT: &str = "HERMES_DASHBOARD_PORT";
const BASE_PATH: &str = "HERMES_DASHBOARD_BASE_PATH";
const ALLOWED_HOSTS: &str = "HERMES_DASHBOARD_ALLOWED_HOSTS";
const TRUSTED_PROXIES: &str = "HERMES_DASHBOARD_TRUSTED_PROXIES";
const USERNAME: &str = "HERMES_DASHBOARD_BASIC_AUTH_USERNAME";
/// The password itself.
pub const PASSWORD: &str = "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD";
/// The hash of a password. The set-up of a container sets it from the password, which the dashboard there does not see.
pub const PASSWORD_HASH: &str = "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_HASH";
const PASSWORD_FILE: &str = "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_FILE";
const INSECURE: &str = "HERMES_DASHBOARD_INSECURE";

/// The sources of the settings.
#[derive(Debug, Default)]
pub struct Sources<'s> {
    /// `--host`.
    pub host: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
    /// The variables of the process that are text.
    pub environment: BTreeMap<String, String>,
    /// The default profile's `config.yaml`.
    pub config: Option<&'s Config>,
    /// In a container the port is reached from outside only when the dashboard listens on all addresses.
    pub in_container: bool,
}

/// The settings of the dashboard.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A name or an address of this machine.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The place of the setting of the host, for a message.
    pub host_set_by: String,
    /// The same for the port.
    pub port_set_by: String,
    /// The path under which a proxy serves it, as in `/hermes`, without a slash at its end; empty for none.
    pub base_path: String,
    /// Names that requests may be for, beside addresses, names without a dot and `localhost`; `*` for any.
    pub allowed_hosts: Vec<String>,
    /// The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The credential of a login.
    pub credential: Credential,
    /// The environment sets the password: the configuration changes nothing.
    pub credential_is_fixed: bool,
    /// The user that the environment names.
    pub user_of_environment: Option<String>,
    /// The warnings.
    pub warnings: Vec<String>,
}

/// The credential of a login.
#[derive(Clone)]
pub enum Credential {
    /// No login, on a loopback address alone. On other addresses the token is needed.
    None,
    /// The token on the volume.
    Token,
    /// A user name and a password.
    Password {
        /// The name.
        user: String,
        /// The password from the settings.
        password: Password,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug output of settings contains no secret.
        f.write_str(match self {
            Self::None => "None",
            Self::Token => "Token",
            Self::Password { .. } => "Password",
        })
    }
}

/// An error of the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An invalid value.
    #[error("{place} is {value:?}, and must be {rule}")]
    Value {
        /// The variable, or the key and its line.
        place: String,
        /// The value.
        value: String,
        /// The rule for the value.
        rule: &'static str,
    },
    /// An invalid secret value, which is not shown.
    #[error("{place} must be {rule}")]
    Secret {
        /// The variable, or the key.
        place: String,
        /// The rule for the value.
        rule: &'static str,
    },
    /// The file contains no password.
    #[error("failed to read the password from {}, which {PASSWORD_FILE} names: the file {problem}", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
        /// The problem of the file.
        problem: &'static str,
    },
    /// The file with the password cannot be read.
    #[error("failed to read the password from {}, which {PASSWORD_FILE} names", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// The error of the read.
        source: whole_file::ReadError,
    },
}

impl Settings {
    /// Resolves the sources.
    ///
    /// # Errors
    /// A value is invalid. The dashboard never guesses, because a mistake could open it to others.
    pub fn resolve(sources: &Sources<'_>) -> Result<Self, SettingsError> {
        let found = Found(sources);
        let mut warnings = Vec::new();
        let (host, host_set_by) = match &sources.host {
            Some(host) => (host.clone(), "--host".to_owned()),
            None => found.text(HOST, "dashboard.host").unwrap_or_else(|| {
                let host = if sources.in_container { "0.0.0.0" } else { "127.0.0.1" };
                (host.to_owned(), "the default".to_owned())
            }),
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
            let rule = "the name or the address of this machine, such as 0.0.0.0 or 127.0.0.1";
            return Err(SettingsError::Value { place: host_set_by, value: host, rule });
        }
        let (port, port_set_by) = match sources.port {
            Some(port) => (port, "--port".to_owned()),
            None => match found.port(&mut warnings) {
                None => (DEFAULT_PORT, "the default".to_owned()),
                Some((value, place)) => match value.trim().parse() {
                    Ok(port) if port > 0 => (port, place),
                    _ => {
                        let rule = "a number from 1 to 65535";
                        return Err(SettingsError::Value { place, value, rule });
                    }
                },
            },
        };
        if sources.environment.get(INSECURE).is_some_and(|value| is_truthy(value.as_ref())) {
            warnings.push(format!(
                "{INSECURE} has no effect: this dashboard is never served to others without authentication"
            ));
        }
        let of_environment = credential_of_environment(&found)?;
        Ok(Self {
            host,
            port,
            host_set_by,
            port_set_by,
            base_path: base_path(&found)?,
            allowed_hosts: allowed_hosts(&found)?,
            trusted_proxies: trusted_proxies(&found)?,
            credential_is_fixed: of_environment.is_some(),
            credential: match of_environment {
                Some(credential) => credential,
                None => credential_of_configuration(&found)?,
            },
            user_of_environment: found.variable(USERNAME).map(|(user, _)| user),
            warnings,
        })
    }

    /// Returns the credential that applies with this configuration of the default profile.
    ///
    /// # Errors
    /// The configuration holds a setting that makes no sense.
    pub(crate) fn credential_with(&self, config: Option<&Config>) -> Result<Credential, SettingsError> {
        if self.credential_is_fixed {
            return Ok(self.credential.clone());
        }
        let user = self.user_of_environment.iter().map(|user| (USERNAME.to_owned(), user.clone()));
        credential_of_configuration(&Found(&Sources {
            environment: user.collect(),
            config,
            ..Sources::default()
        }))
    }
}

/// The sources below the command line.
struct Found<'s, 'c>(&'s Sources<'c>);

impl Found<'_, '_> {
    /// A variable that is set and not empty, with its place.
    fn variable(&self, name: &str) -> Option<(String, String)> {
        let value = self.0.environment.get(name).filter(|value| !value.is_empty())?;
        Some((value.clone(), format!("{name} in the environment")))
    }

    /// A value of the configuration, with its key.
    fn setting(&self, key: &str) -> Option<(serde_json::Value, String)> {
        let setting = self.0.config?.get(&key.parse::<Key>().ok()?)?;
        let value = setting.json();
        (!value.is_null()).then(|| (value, format!("{key} in config.yaml")))
    }

    fn text(&self, variable: &str, key: &str) -> Option<(String, String)> {
        self.variable(variable).or_else(|| self.setting_text(key))
    }

    fn setting_text(&self, key: &str) -> Option<(String, String)> {
        let (value, place) = self.setting(key)?;
        Some((value.as_str().map_or_else(|| value.to_string(), str::to_owned), place))
    }

    /// The port, without a service link of Kubernetes, which becomes a warning.
    fn port(&self, warnings: &mut Vec<String>) -> Option<(String, String)> {
        const KEY: &str = "dashboard.port";
        match self.variable(PORT) {
            Some((value, place)) if is_service_link(&value) => {
                warnings.push(service_link_warning(&place, &value));
                self.setting_text(KEY)
            }
            Some(found) => Some(found),
            None => self.setting_text(KEY),
        }
    }

    /// Words between commas or blanks; in the configuration a list, too.
    fn list(&self, variable: &str, key: &str) -> (Vec<String>, String) {
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        if let Some((value, place)) = self.variable(variable) {
            return (words(&value), place);
        }
        match self.setting(key) {
            Some((serde_json::Value::Array(items), place)) => {
                let items =
                    items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                (items.collect(), place)
            }
            Some((value, place)) => (words(value.as_str().unwrap_or_default()), place),
            None => (Vec::new(), key.to_owned()),
        }
    }
}

fn base_path(found: &Found<'_, '_>) -> Result<String, SettingsError> {
    let Some((value, place)) = found.text(BASE_PATH, "dashboard.base_path") else { return Ok(String::new()) };
    let path = value.trim_end_matches('/');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    let is_well = path.is_empty()
        || path.starts_with('/')
            && path.chars().all(is_plain)
            && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if is_well {
        Ok(path.to_owned())
    } else {
        Err(SettingsError::Value { place, value, rule: "a path such as /hermes" })
    }
}

/// Reads the allowed hosts. Refuses a text that cannot be a host in a request, because it would have no effect.
fn allowed_hosts(found: &Found<'_, '_>) -> Result<Vec<String>, SettingsError> {
    let (words, place) = found.list(ALLOWED_HOSTS, "dashboard.allowed_hosts");
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = |word: String| {
        let is_name = word.chars().all(is_part_of_name) && word.chars().any(|c| c != '.');
        if word == "*" || is_name || word.parse::<IpAddr>().is_ok() {
            return Ok(word.trim_end_matches('.').to_owned());
        }
        let rule = "names such as agents.example.org, without a scheme, a port or a wildcard, or * alone for any name";
        Err(SettingsError::Value { place: place.clone(), value: word, rule })
    };
    words.into_iter().map(name).collect()
}

fn trusted_proxies(found: &Found<'_, '_>) -> Result<Vec<IpNet>, SettingsError> {
    let (words, place) = found.list(TRUSTED_PROXIES, "dashboard.trusted_proxies");
    let network = |word: String| {
        let net = word.parse::<IpNet>().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from));
        net.ok_or_else(|| SettingsError::Value {
            place: place.clone(),
            value: word,
            rule: "addresses or networks, such as 172.16.0.0/12",
        })
    };
    words.into_iter().map(network).collect()
}

/// Returns the user, with the place of the setting.
fn user(found: &Found<'_, '_>) -> Option<(String, String)> {
    found.text(USERNAME, "dashboard.username")
}

fn with_password(found: &Found<'_, '_>, password: Password) -> Credential {
    Credential::Password {
        user: user(found).map_or_else(|| DEFAULT_USER.to_owned(), |(user, _)| user),
        password,
    }
}

fn hashed(found: &Found<'_, '_>, text: Option<&str>, place: String) -> Result<Credential, SettingsError> {
    let hash = text.and_then(|text| PasswordHash::parse(text).ok());
    let rule = "what `hermes dashboard hash-password` prints";
    Ok(with_password(found, Password::Hash(hash.ok_or(SettingsError::Secret { place, rule })?)))
}

/// The password of the environment, which no configuration changes.
fn credential_of_environment(found: &Found<'_, '_>) -> Result<Option<Credential>, SettingsError> {
    if let Some((plain, _)) = found.variable(PASSWORD) {
        return Ok(Some(with_password(found, Password::Plain(plain))));
    }
    if let Some((hash, place)) = found.variable(PASSWORD_HASH) {
        return hashed(found, Some(&hash), place).map(Some);
    }
    if let Some((path, _)) = found.variable(PASSWORD_FILE) {
        let path = PathBuf::from(path);
        let none = |problem| SettingsError::NoPassword { path: path.clone(), problem };
        let bytes = whole_file::read(&path, PASSWORD_MAX)
            .map_err(|source| SettingsError::PasswordFile { path: path.clone(), source })?
            .ok_or_else(|| none("is not there"))?;
        let text = String::from_utf8(bytes).map_err(|_| none("is no text in UTF-8"))?;
        let plain = text.strip_suffix('\n').unwrap_or(&text);
        let plain = plain.strip_suffix('\r').unwrap_or(plain);
        if plain.is_empty() {
            return Err(none("is empty"));
        }
        return Ok(Some(with_password(found, Password::Plain(plain.to_owned()))));
    }
    Ok(None)
}

/// The credential where the environment has no password.
fn credential_of_configuration(found: &Found<'_, '_>) -> Result<Credential, SettingsError> {
    if let Some((hash, place)) = found.setting("dashboard.password_hash") {
        return hashed(found, hash.as_str(), place);
    }
    if let Some((_, place)) = user(found) {
        // A user without a password is an error: the variable of the password may be misspelled.
        let rule = "accompanied by a password: HERMES_DASHBOARD_BASIC_AUTH_PASSWORD, …_PASSWORD_FILE, …_PASSWORD_HASH, or \
                    dashboard.password_hash in config.yaml";
        return Err(SettingsError::Secret { place, rule });
    }
    match found.setting("dashboard.auth") {
        None => Ok(Credential::Token),
        Some((value, place)) => match value.as_str() {
            Some("none") => Ok(Credential::None),
            Some("token") => Ok(Credential::Token),
            _ => Err(SettingsError::Value {
                place,
                value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
                rule: "token or none (which holds on a loopback address alone)",
            }),
        },
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
