//! The socket of the dashboard.

use std::net::SocketAddr;

use hermes_server::ListenError;
use tokio::net::TcpListener;

use crate::error::DashboardError;
use crate::settings::Settings;

/// Listens on the address in the settings. An IPv6 address may have brackets there, as in a URL.
///
/// # Errors
/// The name has no address, the port is taken, or the kernel refuses for another reason.
pub(crate) fn bind(settings: &Settings) -> Result<(TcpListener, SocketAddr), DashboardError> {
    let host = settings.host.as_str();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let listener = hermes_server::bind(bare, settings.port).map_err(|error| match error {
        ListenError::Resolve(source) => DashboardError::Resolve {
            host: settings.host.clone(),
            set_by: settings.host_set_by.clone(),
            source,
        },
        ListenError::PortTaken { address } => {
            DashboardError::PortTaken { address, set_by: settings.port_set_by.clone() }
        }
        ListenError::Refused { address, source } => DashboardError::Listen {
            address,
            host_set_by: settings.host_set_by.clone(),
            port_set_by: settings.port_set_by.clone(),
            source,
        },
    })?;
    let address = listener.local_addr().map_err(DashboardError::Start)?;
    Ok((TcpListener::from_std(listener).map_err(DashboardError::Start)?, address))
}
