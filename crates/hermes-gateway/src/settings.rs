//! The profile's settings. The profile's `.env` takes precedence over the environment, and that over `config.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hermes_core::config::dot_env;
use hermes_core::config::{self, GatewayConfig, PROFILE_PORTS, RestartPolicy};
use hermes_core::{Home, ProfileName};

use crate::error::GatewayError;
use crate::options::Options;
use crate::setting_place::{HOST_VARIABLE, PORT_VARIABLE, Source};

/// The settings of a gateway, with their sources.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) gateway: GatewayConfig,
    pub(crate) host_source: Source,
    pub(crate) port_source: Source,
}

/// The variables that reach one profile.
struct Variables<'a> {
    dot_env: BTreeMap<String, String>,
    environment: &'a BTreeMap<String, String>,
    /// `true` if the environment's port is for this profile.
    takes_port: bool,
}

impl Variables<'_> {
    /// Returns the variable with its file or the environment, for a message.
    fn place(&self, name: &str, dot_env: &Path) -> String {
        match self.find(name) {
            Some((_, Source::DotEnv)) => format!("{name} in {}", dot_env.display()),
            Some((_, Source::Environment)) => format!("{name} in the environment"),
            // The message about a key of `config.yaml` has its line already.
            Some((_, Source::Config)) | None => name.to_owned(),
        }
    }

    fn find(&self, name: &str) -> Option<(&str, Source)> {
        if let Some(value) = self.dot_env.get(name) {
            return Some((value, Source::DotEnv));
        }
        if name == PORT_VARIABLE && !self.takes_port {
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

/// Reads the settings of the profile that `options` name.
///
/// # Errors
/// A file exists and cannot be read or parsed, or a value is invalid.
pub(crate) fn load(options: &Options) -> Result<Settings, GatewayError> {
    let takes_port = !options.supervised || options.profile.is_default();
    load_of(&options.home, &options.profile, &options.environment, takes_port)
}

/// Reads the settings of `profile` that [`crate::run`] uses under supervision. The port in `environment` counts only for the default
/// profile.
///
/// # Errors
/// A file exists and cannot be read or parsed, or a value is invalid.
pub fn settings_of(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
) -> Result<GatewayConfig, GatewayError> {
    load_of(home, profile, environment, profile.is_default()).map(|settings| settings.gateway)
}

fn load_of(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
    takes_port: bool,
) -> Result<Settings, GatewayError> {
    let config = config::load(&home.config(profile)).map_err(GatewayError::Config)?.unwrap_or_default();
    // s6 reads these settings when the gateway crashes. An error in them is reported now, before a crash.
    RestartPolicy::resolve(&config).map_err(GatewayError::Setting)?;
    let path = home.dot_env(profile);
    let dot_env = dot_env::load(&path).map_err(GatewayError::DotEnv)?.unwrap_or_default();
    let variables = Variables { dot_env: dot_env.variables.into_iter().collect(), environment, takes_port };
    let mut gateway = GatewayConfig::resolve(profile, &config, |name| {
        variables.find(name).map(|(value, _)| value.to_owned())
    })
    .map_err(|mut error| {
        error.place = variables.place(&error.place, &path);
        GatewayError::Setting(error)
    })?;
    gateway.warnings.extend(dot_env.faults.iter().map(|fault| format!("{}, {fault}", path.display())));
    Ok(Settings {
        gateway,
        host_source: variables.source(HOST_VARIABLE),
        port_source: variables.source(PORT_VARIABLE),
    })
}

/// The ports of the other profiles, for the message about a port in use.
#[derive(Debug, Default)]
pub(crate) struct OtherPorts {
    /// The profile with the same port.
    pub(crate) holder: Option<ProfileName>,
    /// A port of the range for profiles that no profile uses.
    pub(crate) free: Option<u16>,
}

/// Reads the ports of all other profiles. Skips a profile whose settings cannot be read.
pub(crate) fn other_ports(options: &Options, port: u16) -> OtherPorts {
    let Ok(profiles) = options.home.profiles() else { return OtherPorts::default() };
    let mut taken = BTreeSet::from([port]);
    let mut holder = None;
    for profile in profiles.names.into_iter().filter(|profile| *profile != options.profile) {
        // The port in the environment of this process counts for this profile, or for the default one.
        let settings = settings_of(&options.home, &profile, &options.environment);
        let Some(other) = settings.ok().and_then(|settings| settings.port) else { continue };
        if other == port && holder.is_none() {
            holder = Some(profile);
        }
        taken.insert(other);
    }
    OtherPorts { holder, free: PROFILE_PORTS.into_iter().find(|port| !taken.contains(port)) }
}
