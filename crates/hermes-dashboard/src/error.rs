//! The errors of the dashboard, each with a hint.

use std::io;
use std::net::SocketAddr;

use hermes_core::config::ConfigFileError;

use crate::auth::TokenError;
use crate::settings::SettingsError;

/// An error that keeps the dashboard from running.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// A setting is invalid.
    #[error(transparent)]
    Setting(#[from] SettingsError),
    /// The default profile's configuration cannot be read. It may contain the login settings.
    #[error("failed to read the dashboard's login settings")]
    Config(#[source] ConfigFileError),
    /// The host has no address.
    #[error("failed to find an address of {host:?}, which {set_by} names")]
    Resolve {
        /// The host.
        host: String,
        /// The place of the setting.
        set_by: String,
        /// The error of the resolver.
        source: io::Error,
    },
    /// Another process uses the port.
    #[error("failed to listen on {address}: the port is taken")]
    PortTaken {
        /// The address.
        address: SocketAddr,
        /// The place of the setting of the port.
        set_by: String,
    },
    /// The kernel refuses.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The place of the setting of the host.
        host_set_by: String,
        /// The place of the setting of the port.
        port_set_by: String,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The token cannot be read or created.
    #[error("failed to prepare the login by token")]
    Token(#[source] TokenError),
    /// The event loop or the signal handlers cannot be created.
    #[error("failed to start the event loop")]
    Start(#[source] io::Error),
}

impl DashboardError {
    /// Tells whether each start fails until the operator changes a setting. A port in use counts as such.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, Self::Start(_))
    }

    /// Returns the hint.
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
                    "stop the process that uses the port, or choose another: HERMES_DASHBOARD_PORT (it is from {set_by})"
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
