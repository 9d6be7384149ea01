//! The TCP port, where one is configured.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};

use rustix::io::Errno;
use tokio::net::TcpListener;

use super::Listener;
use crate::error::{GatewayError, SettingPlace};
use crate::options::Options;
use crate::settings::{self, Settings, Source};

/// Serves on the host that is configured and on `port`. Of a name with several addresses the first one that this machine has.
///
/// # Errors
/// The name has no address, the port is taken, or the kernel refuses for another reason.
pub(crate) fn bind(options: &Options, settings: &Settings, port: u16) -> Result<Listener, GatewayError> {
    let host = settings.gateway.host.as_str();
    let place = |source: Source| SettingPlace::new(source, options.home.dot_env(&options.profile));
    let resolve_error = |source: io::Error| GatewayError::Resolve {
        profile: options.profile.clone(),
        host: host.to_owned(),
        set_by: place(settings.host_source),
        source,
    };
    let mut failed = None;
    for address in addresses(host, port).map_err(resolve_error)? {
        // `bind` of the standard library sets SO_REUSEADDR: connections of the last gateway that linger are no obstacle.
        match StdListener::bind(address).and_then(into_tokio) {
            Ok(listener) => return Ok(Listener::Tcp(listener)),
            Err(source) if is_not_here(&source) => failed = failed.or(Some((address, source))),
            Err(source) => {
                failed = Some((address, source));
                break;
            }
        }
    }
    let Some((address, source)) = failed else {
        return Err(resolve_error(io::Error::new(io::ErrorKind::NotFound, "it has none")));
    };
    if source.kind() == io::ErrorKind::AddrInUse {
        let others = settings::other_ports(options, port);
        return Err(GatewayError::PortTaken {
            profile: options.profile.clone(),
            host: host.to_owned(),
            port,
            set_by: place(settings.port_source),
            holder: others.holder,
            free: others.free,
        });
    }
    Err(GatewayError::Bind {
        profile: options.profile.clone(),
        address,
        host_set_by: place(settings.host_source),
        port_set_by: place(settings.port_source),
        source,
    })
}

fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    // An address is no business of the resolver's.
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
        Err(_) => Ok((host, port).to_socket_addrs()?.collect()),
    }
}

/// Whether the machine lacks the address; `localhost` is `::1` too where there is no IPv6.
fn is_not_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

fn into_tokio(listener: StdListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
