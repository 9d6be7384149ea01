//! The connection to the proxy in place of a confined process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

/// The time for a connection. The proxy is on this host, and accepts at once.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Parses a `sockaddr` of connect(2).
///
/// # Errors
/// `EACCES` for another family than IPv4 and IPv6, `EINVAL` for a short address.
pub(super) fn parse(bytes: &[u8]) -> Result<SocketAddr, Errno> {
    let Some((family, rest)) = bytes.split_first_chunk::<2>() else { return Err(Errno::INVAL) };
    let Some((port, rest)) = rest.split_first_chunk::<2>() else { return Err(Errno::INVAL) };
    let port = u16::from_be_bytes(*port);
    let ip: IpAddr = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => Ipv4Addr::from(*rest.first_chunk::<4>().ok_or(Errno::INVAL)?).into(),
        // A flow label precedes the address.
        libc::AF_INET6 => {
            Ipv6Addr::from(*rest.get(4..).and_then(<[u8]>::first_chunk::<16>).ok_or(Errno::INVAL)?).into()
        }
        _ => return Err(Errno::ACCESS),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Returns `true` for the addresses at which a proxy of this host listens.
pub(super) fn is_own_host(address: IpAddr) -> bool {
    [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
        Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
    ]
    .contains(&address)
}

/// Connects a new socket, which waits or not as `flags` of open(2) say.
pub(super) fn connect(address: SocketAddr, flags: i32) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket_flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, socket_flags, Some(ipproto::TCP))?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            if poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&PATIENCE))? == 0 {
                return Err(Errno::TIMEDOUT);
            }
            socket_error(&socket)??;
        }
        Err(error) => return Err(error),
    }
    if flags & libc::O_NONBLOCK == 0 {
        fcntl_setfl(&socket, fcntl_getfl(&socket)? - OFlags::NONBLOCK)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const V4: [u8; 16] = [2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn addresses_of_connect_are_parsed() {
        assert_eq!(parse(&V4), Ok("127.0.0.1:8080".parse().unwrap()));
        let mut v6 = [0; 28];
        v6[0] = 10;
        v6[2..4].copy_from_slice(&[0x1f, 0x90]);
        v6[23] = 1;
        assert_eq!(parse(&v6), Ok("[::1]:8080".parse().unwrap()));
        assert_eq!(parse(&[1, 0, b'/', b'r', b'u', b'n']), Err(Errno::ACCESS), "a Unix socket");
        assert_eq!(parse(&[0; 16]), Err(Errno::ACCESS), "AF_UNSPEC");
        for short in [&V4[..1], &V4[..3], &V4[..7], &v6[..23], &[]] {
            assert_eq!(parse(short), Err(Errno::INVAL), "{short:?}");
        }
    }

    #[rstest]
    #[case("127.0.0.1", true)]
    #[case("::1", true)]
    #[case("::ffff:127.0.0.1", true)]
    #[case("127.0.0.2", false)]
    #[case("0.0.0.0", false)]
    #[case("::", false)]
    #[case("10.0.0.1", false)]
    #[case("::ffff:10.0.0.1", false)]
    #[case("169.254.169.254", false)]
    fn only_the_loopback_address_is_of_the_own_host(#[case] address: &str, #[case] expected: bool) {
        assert_eq!(is_own_host(address.parse().unwrap()), expected);
    }
}
