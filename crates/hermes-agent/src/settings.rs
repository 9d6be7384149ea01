//! The settings of an agent: models, keys and limits of a profile.
//!
//! The sources are `config.yaml` of the profile, the environment, and `.env` of the profile, which is above the environment. The names
//! are those of the Python program where it has them. A value that is invalid is an error; no default takes its place.

mod address;
mod draft;
mod error;
mod known;
mod limits;
mod mcp;
mod model;
mod origin;
mod secret;
mod server;
mod sources;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::BTreeMap;
use std::path::PathBuf;

use hermes_core::config::{Config, dot_env};
use hermes_core::{Home, ProfileName, config};

pub(crate) use address::shown;
pub use draft::{Draft, DraftError};
pub use error::SettingsError;
pub use known::{KNOWN_PROVIDERS, KnownProvider, known_provider};
pub use limits::{Budget, Compression, Memory, Price};
pub use mcp::{McpAddress, McpServer, McpSettings};
pub use origin::{Explained, explain, key_origin};
pub use secret::Secret;
pub use server::{ModelSettings, Network, Protocol, Timeouts};
use sources::Sources;
pub use tools::{ApprovalMode, Approvals, Clarify, NetworkMode, Terminal, ToolSettings};

/// The settings of an agent.
#[derive(Debug)]
pub struct Settings {
    /// The models: the default first, then `fallback_providers`. It is never empty.
    pub models: Vec<ModelSettings>,
    /// `agent.max_turns`: the most model calls of one turn.
    pub max_turns: u32,
    /// `compression`.
    pub compression: Compression,
    /// `memory`.
    pub memory: Memory,
    /// `budget`.
    pub budget: Budget,
    /// `approvals`, `command_allowlist` and `terminal`.
    pub tools: ToolSettings,
    /// `mcp_servers`, sorted by name. Those without effect are not in it.
    pub mcp: Vec<McpServer>,
    /// `provider.record`: the directory for records of model calls.
    pub record: Option<PathBuf>,
    /// Settings that have no effect or carry a risk, one sentence each.
    pub warnings: Vec<String>,
}

/// Reads the settings of the agent of `profile`. `model_override` is above `HERMES_MODEL`, which is above `config.yaml`.
///
/// # Errors
/// Fails if a file cannot be read, a value is invalid, no model is configured, or the default model has no key.
pub fn load(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
    model_override: Option<&str>,
) -> Result<Settings, SettingsError> {
    let config = config::load(&home.config(profile)).map_err(SettingsError::Config)?.unwrap_or_default();
    let path = home.dot_env(profile);
    let dot_env = dot_env::load(&path).map_err(SettingsError::DotEnv)?.unwrap_or_default();
    let mut warnings: Vec<_> =
        dot_env.faults.iter().map(|fault| format!("{}, {fault}", path.display())).collect();
    let sources = Sources { config, dot_env: dot_env.variables.into_iter().collect(), environment };
    let directory = home.profile_directory(profile);
    let record = sources.text("provider.record")?.map(|path| directory.join(path));
    let mut models = model::models(&sources, &directory, model_override, &mut warnings)?;
    for model in &mut models {
        model.record.clone_from(&record);
    }
    let budget = limits::budget(&sources)?;
    budget.warn(&models, &mut warnings);
    let mcp = mcp::servers(&sources, &mut warnings)?.into_iter().filter(|server| server.enabled).collect();
    Ok(Settings {
        max_turns: limits::max_turns(&sources)?,
        compression: limits::compression(&sources)?,
        memory: limits::memory(&sources)?,
        budget,
        tools: tools::tools(&sources)?,
        mcp,
        models,
        record,
        warnings,
    })
}

/// Reads `budget.prices` alone: the price of each model by its name. It needs no model and no key.
///
/// # Errors
/// Fails if the configuration cannot be read, or a value of `budget` is invalid.
pub fn load_prices(home: &Home, profile: &ProfileName) -> Result<BTreeMap<String, Price>, SettingsError> {
    Ok(load_budget(home, profile)?.prices)
}

/// Reads `budget` alone. It needs no model and no key.
///
/// # Errors
/// As [`load_prices`].
pub fn load_budget(home: &Home, profile: &ProfileName) -> Result<Budget, SettingsError> {
    limits::budget(&Sources::of_config(home, profile)?)
}

/// Reads `config.yaml` and the variables of `.env`.
fn read_sources(
    home: &Home,
    profile: &ProfileName,
) -> Result<(Config, BTreeMap<String, String>), SettingsError> {
    let config = config::load(&home.config(profile)).map_err(SettingsError::Config)?.unwrap_or_default();
    let dot_env = dot_env::load(&home.dot_env(profile)).map_err(SettingsError::DotEnv)?.unwrap_or_default();
    Ok((config, dot_env.variables.into_iter().collect()))
}

/// Reads the settings of tools alone. It needs no model and no key.
///
/// # Errors
/// Fails if the configuration cannot be read, or a value is invalid.
pub fn load_tools(home: &Home, profile: &ProfileName) -> Result<ToolSettings, SettingsError> {
    tools::tools(&Sources::of_config(home, profile)?)
}

/// The paths outside of the profile that its settings open. An invalid setting opens none.
#[derive(Debug, Default)]
pub(crate) struct OpenPaths {
    /// `model.ca_file`.
    pub(crate) ca_file: Option<PathBuf>,
    /// `terminal.readable`.
    pub(crate) readable: Vec<PathBuf>,
    /// `terminal.writable`.
    pub(crate) writable: Vec<PathBuf>,
}

/// Reads the paths that a configuration opens. It needs no model and no key. An unreadable configuration opens none.
pub(crate) fn load_open_paths(home: &Home, profile: &ProfileName) -> OpenPaths {
    let Ok(sources) = Sources::of_config(home, profile) else { return OpenPaths::default() };
    let ca_file = sources.text("model.ca_file").ok().flatten();
    let ca_file = ca_file.map(|path| home.profile_directory(profile).join(path));
    let terminal = tools::tools(&sources).ok().map(|tools| tools.terminal);
    let (readable, writable) =
        terminal.map(|terminal| (terminal.readable, terminal.writable)).unwrap_or_default();
    OpenPaths { ca_file, readable, writable }
}

/// Reads the settings of MCP servers, and the way to those that speak HTTP. It needs no model and no key.
///
/// # Errors
/// Fails if a file cannot be read, or a value is invalid.
pub fn load_mcp(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
) -> Result<McpSettings, SettingsError> {
    let (config, dot_env) = read_sources(home, profile)?;
    let sources = Sources { config, dot_env, environment };
    let mut warnings = Vec::new();
    let servers = mcp::servers(&sources, &mut warnings)?;
    let network = model::network(&sources, &home.profile_directory(profile))?;
    Ok(McpSettings { servers, tools: tools::tools(&sources)?, network, warnings })
}

/// Reads `memory` alone. It needs no model and no key.
///
/// # Errors
/// Fails if the configuration cannot be read, or a value of `memory` is invalid.
pub fn load_memory(home: &Home, profile: &ProfileName) -> Result<Memory, SettingsError> {
    limits::memory(&Sources::of_config(home, profile)?)
}
