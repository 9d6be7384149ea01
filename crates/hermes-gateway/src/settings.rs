//! The settings of this gateway, and the ports of the others.

use std::collections::BTreeSet;

use hermes_core::ProfileName;
use hermes_core::config::PROFILE_PORTS;
use hermes_core::gateway::settings::{self, Settings, settings_of};

use crate::error::GatewayError;
use crate::options::Options;

/// The settings of the profile that `options` name.
///
/// # Errors
/// A file is there and cannot be read or parsed, or a value is not what it has to be.
pub(crate) fn load(options: &Options) -> Result<Settings, GatewayError> {
    let takes_port = !options.supervised || options.profile.is_default();
    Ok(settings::load(&options.home, &options.profile, &options.environment, takes_port)?)
}

/// The ports of the other profiles, for the message about a port that is taken.
#[derive(Debug, Default)]
pub(crate) struct OtherPorts {
    /// A profile that is configured with the same port.
    pub(crate) holder: Option<ProfileName>,
    /// A port of the range for profiles that no profile is configured with.
    pub(crate) free: Option<u16>,
}

/// Looks through all profiles; one whose settings cannot be read says nothing.
pub(crate) fn other_ports(options: &Options, port: u16) -> OtherPorts {
    let Ok(profiles) = options.home.profiles() else { return OtherPorts::default() };
    let mut taken = BTreeSet::from([port]);
    let mut holder = None;
    for profile in profiles.names.into_iter().filter(|profile| *profile != options.profile) {
        // The port of this process's environment is its own, or the default profile's.
        let settings = settings_of(&options.home, &profile, &options.environment);
        let Some(other) = settings.ok().and_then(|settings| settings.port) else { continue };
        if other == port && holder.is_none() {
            holder = Some(profile);
        }
        taken.insert(other);
    }
    OtherPorts { holder, free: PROFILE_PORTS.into_iter().find(|port| !taken.contains(port)) }
}
