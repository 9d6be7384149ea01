//! Ports for the gateways of profiles that no command of Hermes created: those of the Python program, and directories made by hand.

use std::collections::BTreeSet;
use std::io;

use hermes_core::config::{self, Config, GatewayConfig, SetError, dot_env, port_for};
use hermes_core::profile::directories::DirectoriesError;
use hermes_core::{Home, ProfileDirectories, ProfileName, chain};

use crate::notice::{Notice, Notices};

/// The free ports of a boot. It reads the taken ones when the first profile needs a port.
pub(crate) struct Ports<'h> {
    home: &'h Home,
    /// `None` before the first use, and after a failure.
    taken: Option<Taken<'h>>,
    has_failed: bool,
}

struct Taken<'h> {
    ports: BTreeSet<u16>,
    /// Keeps a command from giving a port to another profile meanwhile.
    _directories: ProfileDirectories<'h>,
}

impl<'h> Ports<'h> {
    pub(crate) fn of(home: &'h Home) -> Self {
        Self { home, taken: None, has_failed: false }
    }

    /// Returns the port for a profile. Returns `None` for the default profile, which needs none, and for a profile that has one.
    /// Also returns `None` if its settings cannot be read, or no port is free.
    pub(crate) fn for_profile(&mut self, name: &ProfileName, notices: &mut Notices) -> Option<u16> {
        if name.is_default() || self.has_failed || !lacks_port(self.home, name) {
            return None;
        }
        if self.taken.is_none() {
            match take(self.home) {
                Ok(taken) => self.taken = Some(taken),
                Err(error) => {
                    self.has_failed = true;
                    // Other notices report a read-only volume.
                    if error.io_kind() != Some(io::ErrorKind::ReadOnlyFilesystem) {
                        notices.add(no_port(name, &error));
                    }
                }
            }
        }
        let taken = &mut self.taken.as_mut()?.ports;
        let port = port_for(name, taken)?;
        taken.insert(port);
        Some(port)
    }

    /// Creates the configuration of a profile that has none, with a port.
    pub(crate) fn create_config(&mut self, name: &ProfileName, notices: &mut Notices) {
        let Some(port) = self.for_profile(name, notices) else { return };
        if let Err(error) = config::change(&self.home.config(name), |config| set(config, Some(port))) {
            notices.add(no_port(name, &error));
        }
    }
}

/// Sets the port, if there is one.
pub(crate) fn set(config: &mut Config, port: Option<u16>) -> Result<(), SetError> {
    port.map_or(Ok(()), |port| config.set_gateway_port(port))
}

fn take(home: &Home) -> Result<Taken<'_>, DirectoriesError> {
    let directories = ProfileDirectories::lock(home)?;
    Ok(Taken { ports: directories.taken_ports()?, _directories: directories })
}

fn lacks_port(home: &Home, name: &ProfileName) -> bool {
    let (Ok(config), Ok(variables)) = (config::load(&home.config(name)), dot_env::load(&home.dot_env(name)))
    else {
        return false;
    };
    let variables = variables.unwrap_or_default();
    let variable = |wanted: &str| variables.get(wanted).map(str::to_owned);
    GatewayConfig::resolve(name, &config.unwrap_or_default(), variable)
        .is_ok_and(|config| config.port.is_none())
}

fn no_port(name: &ProfileName, error: &(dyn std::error::Error + 'static)) -> Notice {
    Notice::Failed {
        what: format!("the profile '{name}' has no port, only its socket: {}", chain(error)),
        hint: format!("give it one: hermes -p {name} config set gateway.port N"),
    }
}
