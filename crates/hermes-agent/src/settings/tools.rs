//! Settings of tools: approvals, the sandbox, and its network.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::error::SettingsError;
use super::sources::Sources;

/// The settings of tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSettings {
    /// `approvals` and `command_allowlist`.
    pub approvals: Approvals,
    /// `terminal`.
    pub terminal: Terminal,
    /// `clarify`.
    pub clarify: Clarify,
}

/// `clarify`: the questions of the model to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clarify {
    /// `timeout`: the time for an answer. 600 s by default.
    pub timeout: Duration,
}

/// `approvals`: the calls that a person must approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvals {
    /// `mode`.
    pub mode: ApprovalMode,
    /// `deny`: patterns of commands that never run.
    pub deny: Vec<String>,
    /// `command_allowlist`: patterns of commands that may leave the sandbox without a question.
    pub allow: Vec<String>,
    /// `timeout`: the time for an answer. 60 s by default.
    pub timeout: Duration,
}

/// `approvals.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalMode {
    /// Each command asks.
    Ask,
    /// What leaves the sandbox asks.
    Sandboxed,
    /// Nothing asks. `approvals.deny` still holds.
    Off,
}

/// `terminal`: the sandbox of tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// `network`.
    pub network: NetworkMode,
    /// `timeout`: the default time limit of a command. 180 s by default.
    pub timeout: Duration,
    /// `env_passthrough`: the variables of the agent that a command gets.
    pub env_passthrough: Vec<String>,
    /// `readable`: further paths that tools may read.
    pub readable: Vec<PathBuf>,
    /// `writable`: further paths that tools may write.
    pub writable: Vec<PathBuf>,
    /// `allow_hosts`: hosts that are not public and that tools may reach through the proxy.
    pub allow_hosts: Vec<String>,
}

/// `terminal.network`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    /// No network.
    Off,
    /// A proxy that refuses private addresses.
    Proxy,
    /// No limit.
    Open,
}

const MODE: &str = "ask, sandboxed or off";
const NETWORK: &str = "off, proxy or open";
const SECONDS: &str = "a whole number of seconds of at least 1";
const TEXTS: &str = "a list of texts";
const PATHS: &str = "a list of absolute paths";

pub(super) fn tools(sources: &Sources<'_>) -> Result<ToolSettings, SettingsError> {
    let mode = word(sources, "approvals.mode", MODE, |mode| match mode {
        // The Python program has the other words.
        "ask" | "manual" => Some(ApprovalMode::Ask),
        "sandboxed" | "smart" => Some(ApprovalMode::Sandboxed),
        "off" => Some(ApprovalMode::Off),
        _ => None,
    })?;
    let network = word(sources, "terminal.network", NETWORK, |mode| match mode {
        "off" => Some(NetworkMode::Off),
        "proxy" => Some(NetworkMode::Proxy),
        "open" => Some(NetworkMode::Open),
        _ => None,
    })?;
    Ok(ToolSettings {
        approvals: Approvals {
            mode: mode.unwrap_or(ApprovalMode::Sandboxed),
            deny: texts(sources, "approvals.deny")?,
            allow: texts(sources, "command_allowlist")?,
            timeout: seconds(sources, "approvals.timeout", 60)?,
        },
        terminal: Terminal {
            network: network.unwrap_or(NetworkMode::Proxy),
            timeout: seconds(sources, "terminal.timeout", 180)?,
            env_passthrough: texts(sources, "terminal.env_passthrough")?,
            readable: paths(sources, "terminal.readable")?,
            writable: paths(sources, "terminal.writable")?,
            allow_hosts: texts(sources, "terminal.allow_hosts")?,
        },
        clarify: Clarify { timeout: seconds(sources, "clarify.timeout", 600)? },
    })
}

/// Reads one of several words, in any case.
fn word<T>(
    sources: &Sources<'_>,
    key: &str,
    rule: &'static str,
    of: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, SettingsError> {
    sources.read(key, rule, |value| match value {
        // YAML reads a plain `off` as false.
        Value::Bool(false) => of("off"),
        Value::String(word) => of(&word.trim().to_ascii_lowercase()),
        _ => None,
    })
}

fn seconds(sources: &Sources<'_>, key: &str, default: u64) -> Result<Duration, SettingsError> {
    Ok(Duration::from_secs(sources.whole(key, 1, SECONDS)?.unwrap_or(default)))
}

fn texts(sources: &Sources<'_>, key: &str) -> Result<Vec<String>, SettingsError> {
    let text = |value: &Value| value.as_str().map(|text| text.trim().to_owned());
    let list = sources.read(key, TEXTS, |value| value.as_array()?.iter().map(text).collect())?;
    Ok(list.unwrap_or_default())
}

fn paths(sources: &Sources<'_>, key: &str) -> Result<Vec<PathBuf>, SettingsError> {
    let path = |value: &Value| {
        let path = PathBuf::from(value.as_str()?.trim());
        path.is_absolute().then_some(path)
    };
    let list = sources.read(key, PATHS, |value| value.as_array()?.iter().map(path).collect())?;
    Ok(list.unwrap_or_default())
}
