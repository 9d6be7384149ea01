//! The settings of an agent: models, keys and limits of a profile.
//!
//! The sources are `config.yaml` of the profile, the environment, and `.env` of the profile, which is above the environment. The names
//! are those of the Python program where it has them. A value that is invalid is an error; no default takes its place.

mod address;
mod draft;
mod error;
mod known;
mod limits;
mod model;
mod origin;
mod secret;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hermes_core::config::{Config, dot_env};
use hermes_core::{Home, ProfileName, config};

pub(crate) use address::{is_local, shown};
pub use draft::{Draft, DraftError};
pub use error::SettingsError;
pub use known::{KNOWN_PROVIDERS, KnownProvider, known_provider};
pub use limits::{Budget, Compression, Memory, Price};
pub use origin::{Explained, explain, key_origin};
pub use secret::Secret;
use sources::Sources;

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
    /// `provider.record`: the directory for records of model calls.
    pub record: Option<PathBuf>,
    /// Settings that have no effect or carry a risk, one sentence each.
    pub warnings: Vec<String>,
}

/// A model with its server.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSettings {
    /// The provider, as `openai`, or `custom`.
    pub provider: String,
    /// The name of the model.
    pub model: String,
    /// The base URL: requests go to paths below it. It holds no user and no password.
    pub base_url: reqwest::Url,
    /// The protocol of the server.
    pub protocol: Protocol,
    /// The key. A local server may need none.
    pub key: Option<Secret>,
    /// `model.context_length`: the whole window, in tokens.
    pub context_length: Option<u64>,
    /// `model.max_tokens`: the longest answer, in tokens.
    pub max_tokens: Option<u64>,
    /// `model.temperature`.
    pub temperature: Option<f64>,
    /// `agent.reasoning_effort`, as `low`, `medium` or `high`.
    pub reasoning_effort: Option<String>,
    /// `model.timeouts`.
    pub timeouts: Timeouts,
    /// `model.text_tool_calls`: tool calls in the text count. Only a local server has this.
    pub text_tool_calls: bool,
    /// The way to the server.
    pub network: Network,
    /// The directory for records of calls.
    pub record: Option<PathBuf>,
}

impl ModelSettings {
    /// Returns `true` if the server runs on this machine or in a network nearby.
    pub fn is_local(&self) -> bool {
        is_local(&self.base_url)
    }
}

/// The protocol of a model server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's Chat Completions.
    ChatCompletions,
    /// Anthropic's Messages.
    Anthropic,
}

/// The limits of time of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The time for name, connection and TLS. 10 s by default.
    pub connect: Duration,
    /// The time from the connection to the first byte of the answer's body. 120 s by default, 15 min for a local server.
    pub first_byte: Duration,
    /// The time between two pieces of the answer. 120 s by default.
    pub between_bytes: Duration,
}

/// The way to a server: certificates and proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Files of further root certificates in PEM: `SSL_CERT_FILE` and `model.ca_file`.
    pub ca_files: Vec<PathBuf>,
    /// `HTTPS_PROXY`.
    pub https_proxy: Option<Secret>,
    /// `HTTP_PROXY`.
    pub http_proxy: Option<Secret>,
    /// `ALL_PROXY`.
    pub all_proxy: Option<Secret>,
    /// `NO_PROXY`.
    pub no_proxy: Option<String>,
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
    Ok(Settings {
        max_turns: limits::max_turns(&sources)?,
        compression: limits::compression(&sources)?,
        memory: limits::memory(&sources)?,
        budget,
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
    let config = config::load(&home.config(profile)).map_err(SettingsError::Config)?.unwrap_or_default();
    let (dot_env, environment) = (BTreeMap::new(), BTreeMap::new());
    Ok(limits::budget(&Sources { config, dot_env, environment: &environment })?.prices)
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

/// Reads `memory` alone. It needs no model and no key.
///
/// # Errors
/// Fails if the configuration cannot be read, or a value of `memory` is invalid.
pub fn load_memory(home: &Home, profile: &ProfileName) -> Result<Memory, SettingsError> {
    let config = config::load(&home.config(profile)).map_err(SettingsError::Config)?.unwrap_or_default();
    let (dot_env, environment) = (BTreeMap::new(), BTreeMap::new());
    limits::memory(&Sources { config, dot_env, environment: &environment })
}
