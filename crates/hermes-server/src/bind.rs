//! The TCP socket of a server that is given a host, by name or address, and a port: what gateways and the dashboard share.
//! What a failure means to the operator, and who named the host, each of them says in its own words.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};

use rustix::io::Errno;

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The host has no address.
    #[error("failed to find an address of the host")]
    Resolve(#[source] io::Error),
    /// Something else has the port.
    #[error("failed to listen on {address}: the port is taken")]
    PortTaken {
        /// The address.
        address: SocketAddr,
    },
    /// The kernel refuses for another reason.
    #[error("failed to listen on {address}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Listens on `host` and `port`, of a name with several addresses on the first that this machine has. The socket does not block.
///
/// # Errors
/// The name has no address, the port is taken, or the kernel refuses for another reason.
pub fn bind(host: &str, port: u16) -> Result<TcpListener, ListenError> {
    let mut failed = None;
    for address in addresses(host, port).map_err(ListenError::Resolve)? {
        // `bind` of the standard library sets SO_REUSEADDR: connections of the last server that linger are no obstacle.
        match TcpListener::bind(address).and_then(without_blocking) {
            Ok(listener) => return Ok(listener),
            Err(source) if is_not_here(&source) => failed = failed.or(Some((address, source))),
            Err(source) => {
                failed = Some((address, source));
                break;
            }
        }
    }
    match failed {
        None => Err(ListenError::Resolve(io::Error::new(io::ErrorKind::NotFound, "it has none"))),
        Some((address, source)) if source.kind() == io::ErrorKind::AddrInUse => {
            Err(ListenError::PortTaken { address })
        }
        Some((address, source)) => Err(ListenError::Refused { address, source }),
    }
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

fn without_blocking(listener: TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_an_address_of_this_machine_are_listened_on() {
        for host in ["127.0.0.1", "localhost"] {
            let listener = bind(host, 0).unwrap();
            assert!(listener.local_addr().unwrap().ip().is_loopback(), "{host}");
            // Nobody connects: it would wait for ever.
            assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "{host}");
        }
    }

    #[test]
    fn a_taken_port_a_foreign_address_and_a_name_of_nobody_are_told_apart() {
        let taken = bind("127.0.0.1", 0).unwrap().local_addr().unwrap();
        let _holder = TcpListener::bind(taken).unwrap();
        assert!(
            matches!(bind("127.0.0.1", taken.port()), Err(ListenError::PortTaken { address }) if address == taken)
        );
        assert!(matches!(bind("203.0.113.1", 0), Err(ListenError::Refused { .. })));
        assert!(matches!(bind("no.such.invalid", 0), Err(ListenError::Resolve(_))));
    }
}
