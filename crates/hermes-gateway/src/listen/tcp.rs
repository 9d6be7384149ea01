//! The TCP port, where one is configured.

use hermes_core::gateway::settings::{Settings, Source};
use hermes_server::{ListenError, Listener};
use tokio::net::TcpListener;

use crate::error::GatewayError;
use crate::options::Options;
use crate::setting_place::SettingPlace;
use crate::settings;

/// Listens on the configured host and on `port`.
///
/// # Errors
/// The name has no address, the port is taken, or the kernel refuses for another reason.
pub(crate) fn bind(options: &Options, settings: &Settings, port: u16) -> Result<Listener, GatewayError> {
    let host = settings.gateway.host.as_str();
    let place = |source: Source| SettingPlace::new(source, options.home.dot_env(&options.profile));
    let listener = hermes_server::bind(host, port).map_err(|error| match error {
        ListenError::Resolve(source) => GatewayError::Resolve {
            profile: options.profile.clone(),
            host: host.to_owned(),
            set_by: place(settings.host_source),
            source,
        },
        ListenError::PortTaken { .. } => {
            let others = settings::other_ports(options, port);
            GatewayError::PortTaken {
                profile: options.profile.clone(),
                host: host.to_owned(),
                port,
                set_by: place(settings.port_source),
                holder: others.holder,
                free: others.free,
            }
        }
        ListenError::Refused { address, source } => GatewayError::Bind {
            profile: options.profile.clone(),
            address,
            host_set_by: place(settings.host_source),
            port_set_by: place(settings.port_source),
            source,
        },
    })?;
    TcpListener::from_std(listener).map(Listener::Tcp).map_err(GatewayError::Runtime)
}
