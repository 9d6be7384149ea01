//! Why the dashboard does not run.

use std::io;
use std::net::SocketAddr;

use hermes_core::config::ConfigFileError;

use crate::auth::TokenError;
use crate::settings::SettingsError;

/// Why the dashboard does not run.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// A setting makes no sense.
    #[error(transparent)]
    Setting(#[from] SettingsError),
    /// The default profile's configuration cannot be read: it may say who is let in.
    #[error("failed to read the dashboard's login settings")]
    Config(#[source] ConfigFileError),
    /// The host has no address.
    #[error("failed to find an address of {host:?}, which {set_by} names")]
    Resolve {
        /// The host.
        host: String,
        /// Who names it.
        set_by: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Something else has the port.
    #[error("failed to listen on {address}: the port is taken")]
    PortTaken {
        /// The address.
        address: SocketAddr,
        /// Who names the port.
        set_by: String,
    },
    /// The kernel refuses.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Who names the host.
        host_set_by: String,
        /// Who names the port.
        port_set_by: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no token to be had.
    #[error("failed to prepare the login by token")]
    Token(#[source] TokenError),
    /// The event loop, or signals.
    #[error("failed to start the event loop")]
    Start(#[source] io::Error),
}

impl DashboardError {
    /// Whether the same would happen at each start until somebody corrects a setting, the port of another program included.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, Self::Start(_))
    }

    /// The way to correct it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Setting(SettingsError::PasswordFile { .. } | SettingsError::NoPassword { .. }) => {
                "mount the file with the password in it, readable for the account that runs hermes".to_owned()
            }
            Self::Config(_) => "correct config.yaml of the default profile".to_owned(),
            Self::Setting(_) => "correct it, and start the dashboard again".to_owned(),
            Self::Resolve { set_by, .. } => format!(
                "name an address of this machine, such as 0.0.0.0 or 127.0.0.1 (HERMES_DASHBOARD_HOST; it is from {set_by})"
            ),
            Self::PortTaken { set_by, .. } => {
                format!(
                    "end what has the port, or choose another: HERMES_DASHBOARD_PORT (it is from {set_by})"
                )
            }
            Self::Listen { host_set_by, port_set_by, .. } => format!(
                "choose another: HERMES_DASHBOARD_HOST (it is from {host_set_by}), HERMES_DASHBOARD_PORT (it is from {port_set_by})"
            ),
            Self::Token(TokenError::NoToken { .. }) => {
                "make a new one: hermes dashboard logout --all --new-token".to_owned()
            }
            Self::Token(_) => {
                "the files of HERMES_HOME must belong to the account that runs hermes".to_owned()
            }
            Self::Start(_) => return None,
        })
    }
}
