//! The TCP socket of a server, for a host (a name or an address) and a port.
//!
//! A server adds to a failure the setting that named the host, and a hint.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;

/// The bytes of answers that the kernel keeps for each connection. Linux doubles the number (socket(7), SO_SNDBUF). The default for
/// a client that reads nothing is 4 MiB (tcp(7), tcp_wmem), and the server would work for each of them.
const SEND_BUFFER: usize = 64 * 1024;

/// An error of [`bind`].
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The host has no address.
    #[error("failed to find an address of the host")]
    Resolve(#[source] io::Error),
    /// Another process uses the port.
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
        /// The error of the kernel.
        source: io::Error,
    },
}

/// Listens on `host` and `port`. Of a name with several addresses it takes the first that this machine has. The socket does not
/// block.
///
/// # Errors
/// The name has no address, the port is taken, or the kernel refuses for another reason.
pub fn bind(host: &str, port: u16) -> Result<TcpListener, ListenError> {
    let mut failed = None;
    for address in addresses(host, port).map_err(ListenError::Resolve)? {
        // `bind` of the standard library sets SO_REUSEADDR, so lingering connections of the last server do not prevent it.
        match TcpListener::bind(address).and_then(prepare) {
            Ok(listener) => return Ok(listener),
            Err(source) if is_missing(&source) => failed = failed.or(Some((address, source))),
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
    // An address needs no resolver.
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
        Err(_) => Ok((host, port).to_socket_addrs()?.collect()),
    }
}

/// Tells whether the machine lacks the address. `localhost` resolves to `::1` even on a machine without IPv6.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

/// Sets the options of the socket. Its connections inherit the size of the buffer.
fn prepare(listener: TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    set_socket_send_buffer_size(&listener, SEND_BUFFER)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_names_and_addresses_of_this_machine() {
        for host in ["127.0.0.1", "localhost"] {
            let listener = bind(host, 0).unwrap();
            assert!(listener.local_addr().unwrap().ip().is_loopback(), "{host}");
            // No client connects, so a blocking socket would wait for ever.
            assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "{host}");
        }
    }

    #[test]
    fn a_connection_inherits_the_bounded_send_buffer() {
        let listener = bind("127.0.0.1", 0).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, _) = listener.accept().unwrap();
        let size = rustix::net::sockopt::socket_send_buffer_size(&connection).unwrap();
        assert_eq!(size, 2 * SEND_BUFFER);
    }

    #[test]
    fn each_cause_of_a_failure_has_its_own_error() {
        let taken = bind("127.0.0.1", 0).unwrap().local_addr().unwrap();
        let _holder = TcpListener::bind(taken).unwrap();
        assert!(
            matches!(bind("127.0.0.1", taken.port()), Err(ListenError::PortTaken { address }) if address == taken)
        );
        assert!(matches!(bind("203.0.113.1", 0), Err(ListenError::Refused { .. })));
        assert!(matches!(bind("no.such.invalid", 0), Err(ListenError::Resolve(_))));
    }
}
