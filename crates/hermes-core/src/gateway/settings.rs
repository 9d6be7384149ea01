//! The settings of a profile's gateway: `config.yaml`, above it the environment, above that the profile's `.env`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::dot_env::{self, DotEnvError};
use crate::config::{self, ConfigFileError, GatewayConfig, GatewayConfigError, RestartPolicy};
use crate::{Home, ProfileName};

/// The reason why the settings of a gateway cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration is there and cannot be used.
    #[error("failed to load the configuration of the profile")]
    Config(#[source] ConfigFileError),
    /// The `.env` is there and cannot be used.
    #[error("failed to load the environment of the profile")]
    DotEnv(#[source] DotEnvError),
    /// A setting is not what it has to be.
    #[error("failed to read the settings of the gateway")]
    Setting(#[source] GatewayConfigError),
}

impl SettingsError {
    /// Returns the change that makes the settings usable.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(ConfigFileError::Parse { path, .. }) => {
                format!("correct that line in {}", path.display())
            }
            Self::Config(_) => "make config.yaml of the profile a file that can be read".to_owned(),
            Self::DotEnv(_) => "make .env of the profile a file that can be read".to_owned(),
            Self::Setting(error) => format!("change {} to {}", error.place, error.rule),
        }
    }
}

/// The variable that names the port.
pub const PORT_VARIABLE: &str = "API_SERVER_PORT";

/// The variable that names the host.
pub const HOST_VARIABLE: &str = "API_SERVER_HOST";

/// The variable that names the model of the API.
const MODEL_VARIABLE: &str = "API_SERVER_MODEL_NAME";

/// The source of a setting: a hint names the place where a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `config.yaml`, or nobody.
    Config,
    /// The profile's `.env`.
    DotEnv,
    /// The environment of the process.
    Environment,
}

/// The settings of a gateway, with their sources.
#[derive(Debug)]
pub struct Settings {
    /// The settings themselves.
    pub gateway: GatewayConfig,
    /// The source of the host.
    pub host_source: Source,
    /// The source of the port.
    pub port_source: Source,
}

/// The variables that reach one profile.
struct Variables<'a> {
    dot_env: BTreeMap<String, String>,
    environment: &'a BTreeMap<String, String>,
    /// `true` if the port and the model name of the environment are for this profile.
    takes_port: bool,
}

impl Variables<'_> {
    /// The variable with its file or the environment, for a message.
    fn place(&self, name: &str, dot_env: &Path) -> String {
        match self.find(name) {
            Some((_, Source::DotEnv)) => format!("{name} in {}", dot_env.display()),
            Some((_, Source::Environment)) => format!("{name} in the environment"),
            // A key of `config.yaml` tells its own line.
            Some((_, Source::Config)) | None => name.to_owned(),
        }
    }

    fn find(&self, name: &str) -> Option<(&str, Source)> {
        if let Some(value) = self.dot_env.get(name) {
            return Some((value, Source::DotEnv));
        }
        if [PORT_VARIABLE, MODEL_VARIABLE].contains(&name) && !self.takes_port {
            return None;
        }
        self.environment.get(name).map(|value| (value.as_str(), Source::Environment))
    }

    fn source(&self, name: &str) -> Source {
        // An empty variable and a service link in the place of a port count as unset.
        let counts =
            |value: &str| !(value.is_empty() || name == PORT_VARIABLE && config::is_service_link(value));
        self.find(name).filter(|(value, _)| counts(value)).map_or(Source::Config, |(_, source)| source)
    }
}

/// Returns the settings with which supervision starts the gateway of `profile`. The port in `environment` is the default profile's.
///
/// # Errors
/// A file is there and cannot be read or parsed, or a value is not what it has to be.
pub fn settings_of(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
) -> Result<GatewayConfig, SettingsError> {
    load(home, profile, environment, profile.is_default()).map(|settings| settings.gateway)
}

/// Reads the settings of the gateway of `profile`. `takes_port` tells if the port and the model name in
/// `environment` are for this profile.
///
/// # Errors
/// A file is there and cannot be read or parsed, or a value is not what it has to be.
pub fn load(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
    takes_port: bool,
) -> Result<Settings, SettingsError> {
    let config = config::load(&home.config(profile)).map_err(SettingsError::Config)?.unwrap_or_default();
    // s6 reads the restart policy after a crash: a mistake in it is reported now, and not after the crash.
    RestartPolicy::resolve(&config).map_err(SettingsError::Setting)?;
    let path = home.dot_env(profile);
    let dot_env = dot_env::load(&path).map_err(SettingsError::DotEnv)?.unwrap_or_default();
    let variables = Variables { dot_env: dot_env.variables.into_iter().collect(), environment, takes_port };
    let mut gateway = GatewayConfig::resolve(profile, &config, |name| {
        variables.find(name).map(|(value, _)| value.to_owned())
    })
    .map_err(|mut error| {
        error.place = variables.place(&error.place, &path);
        SettingsError::Setting(error)
    })?;
    gateway.warnings.extend(dot_env.faults.iter().map(|fault| format!("{}, {fault}", path.display())));
    Ok(Settings {
        gateway,
        host_source: variables.source(HOST_VARIABLE),
        port_source: variables.source(PORT_VARIABLE),
    })
}
