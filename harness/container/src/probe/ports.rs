//! Listening TCP ports, from `/proc/net/tcp` and `/proc/net/tcp6` (proc(5)): there is no `ss` in the image.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::container::Container;
use crate::error::{Error, Result};

/// A socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListeningPort {
    /// The address that it listens on; unspecified for all of them.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The UID that opened it.
    pub uid: u32,
}

/// The state `TCP_LISTEN` of the kernel.
const LISTEN: &str = "0A";

impl Container {
    /// The TCP ports on which something in the container listens.
    pub async fn listening_ports(&self) -> Result<Vec<ListeningPort>> {
        // Without IPv6 there is no second file.
        let output =
            self.exec_sh("cat /proc/net/tcp /proc/net/tcp6 2>/dev/null").probing().await?.either_way();
        let text = output.stdout();
        parse(&text).ok_or(Error::Parse {
            what: "listening ports".to_owned(),
            why: "not the format of /proc/net/tcp".to_owned(),
            text,
        })
    }

    /// Returns whether something in the container listens on this TCP port.
    pub async fn listens_on(&self, port: u16) -> Result<bool> {
        Ok(self.listening_ports().await?.iter().any(|listening| listening.port == port))
    }
}

fn parse(text: &str) -> Option<Vec<ListeningPort>> {
    let mut ports = Vec::new();
    for line in text.lines().filter(|line| !line.contains("local_address")) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        if *fields.get(3)? != LISTEN {
            continue;
        }
        let (address, port) = fields.get(1)?.split_once(':')?;
        ports.push(ListeningPort {
            address: address_of(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            uid: fields.get(7)?.parse().ok()?,
        });
    }
    ports.sort_unstable();
    Some(ports)
}

/// The kernel prints each 32-bit word of the address as a number in the machine's byte order.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let number = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        Some(number.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn what_listens_is_found_and_what_is_connected_is_not() {
        let text = format!(
            "{HEADER}   0: 00000000:239F 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10000        0 1 1\n\
             \x20  1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1\n\
             \x20  2: 0100007F:0050 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 3 1\n\
             {HEADER}   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A \
             00000000:00000000 00:00000000 00000000     7        0 4 1\n"
        );
        let port = |address: &str, port, uid| ListeningPort { address: address.parse().unwrap(), port, uid };
        assert_eq!(
            parse(&text).unwrap(),
            [port("0.0.0.0", 9119, 10000), port("127.0.0.1", 80, 0), port("::1", 8080, 7)]
        );
    }

    #[test]
    fn nothing_listens_in_an_empty_table() {
        assert_eq!(parse(HEADER), Some(vec![]));
        assert_eq!(parse("cat: nonsense\n"), None);
    }
}
