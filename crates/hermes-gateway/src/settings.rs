//! The settings of this gateway, and the ports of the others.

use std::collections::BTreeSet;

use hermes_core::ProfileName;
use hermes_core::config::PROFILE_PORTS;
use hermes_core::gateway::api_key::{self, Configured};
use hermes_core::gateway::settings::{self, Settings, settings_of};

use crate::error::GatewayError;
use crate::options::Options;

/// Reads the settings of the profile that `options` name.
///
/// # Errors
/// A file exists and cannot be read or parsed, or a value is invalid.
pub(crate) fn load(options: &Options) -> Result<Settings, GatewayError> {
    Ok(settings::load(&options.home, &options.profile, &options.environment, owns_environment(options))?)
}

/// Returns the key of the API that the operator configured.
///
/// # Errors
/// A file cannot be read, or a value is no key.
pub(crate) fn configured_key(options: &Options) -> Result<Option<Configured>, GatewayError> {
    let owns = owns_environment(options);
    Ok(api_key::configured(&options.home, &options.profile, &options.environment, owns)?)
}

/// Tells whether the port and the key in the environment are for this profile. Under supervision, the environment of the container
/// reaches all gateways.
fn owns_environment(options: &Options) -> bool {
    !options.supervised || options.profile.is_default()
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
