//! Errors of the settings. All are errors of the configuration.

use std::path::PathBuf;

use hermes_core::config::ConfigFileError;
use hermes_core::config::dot_env::DotEnvError;
use hermes_os::whole_file::ReadError;

/// The reason why the settings of an agent cannot be used. The exit code is 78.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration is there and cannot be used.
    #[error("failed to load the configuration of the profile")]
    Config(#[source] ConfigFileError),
    /// The `.env` is there and cannot be used.
    #[error("failed to load the environment of the profile")]
    DotEnv(#[source] DotEnvError),
    /// A value is invalid.
    #[error("failed to read the settings of the agent: {place} is {value}, and must be {rule}")]
    Invalid {
        /// The place: `model.max_tokens in line 3 of config.yaml`, or the name of a variable.
        place: String,
        /// The value in quotes, without secrets.
        value: String,
        /// The rule for the value.
        rule: &'static str,
    },
    /// No model is configured.
    #[error("failed to choose a model: no model is configured")]
    NoModel,
    /// The provider is unknown.
    #[error("failed to choose a provider: {place} names {name:?}, which is unknown")]
    UnknownProvider {
        /// The place.
        place: String,
        /// The name.
        name: String,
    },
    /// The provider `custom` has no base URL.
    #[error("failed to choose a server: the provider {provider} has no base URL")]
    NoBaseUrl {
        /// The provider.
        provider: String,
    },
    /// The provider needs a key, and no key is set.
    #[error("failed to find a key for the provider {provider}: {variable} is not set")]
    NoKey {
        /// The provider.
        provider: String,
        /// The variable.
        variable: String,
    },
    /// The file that holds a key cannot be read.
    #[error("failed to read the file that {variable} names")]
    KeyFile {
        /// The variable, as `OPENAI_API_KEY_FILE`.
        variable: String,
        /// The error.
        source: ReadError,
    },
    /// The file that holds a key is missing or empty.
    #[error("failed to read the file that {variable} names: {} {fault}", path.display())]
    NoKeyInFile {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
        /// The fault: "is missing", "is empty", "is not one line of text".
        fault: &'static str,
    },
}

impl SettingsError {
    /// Returns the next step of the user. It may have several lines.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(ConfigFileError::Parse { path, .. }) => {
                format!("correct that line in {}", path.display())
            }
            Self::Config(_) => "make config.yaml of the profile a file that can be read".to_owned(),
            Self::DotEnv(_) => "make .env of the profile a file that can be read".to_owned(),
            Self::Invalid { place, rule, .. } => format!("change {place} to {rule}"),
            Self::NoModel => "for a hosted model: set OPENAI_BASE_URL, OPENAI_API_KEY and HERMES_MODEL\n\
                 for a local server: set OPENAI_BASE_URL=http://HOST:PORT/v1 and HERMES_MODEL\n\
                 to be asked for provider, key and model: hermes setup"
                .to_owned(),
            Self::UnknownProvider { .. } => {
                "set model.provider to auto, or set model.base_url of the server and remove model.provider"
                    .to_owned()
            }
            Self::NoBaseUrl { .. } => {
                "hermes config set model.base_url http://HOST:PORT/v1, or set OPENAI_BASE_URL".to_owned()
            }
            Self::NoKey { variable, .. } => {
                format!(
                    "set {variable} in .env of the profile, or {variable}_FILE to the path of a file with the key"
                )
            }
            Self::KeyFile { variable, .. } | Self::NoKeyInFile { variable, .. } => {
                format!("set {variable} to a file that holds the key alone, and that this account can read")
            }
        }
    }
}
