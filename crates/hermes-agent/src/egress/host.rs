//! Names and addresses of hosts, as a person, a URL or a program writes them.

use std::fmt;
use std::net::IpAddr;

/// The longest name of a host, in bytes (RFC 1035).
const NAME_MAX: usize = 253;

/// The longest part of a name between two dots, in bytes.
const LABEL_MAX: usize = 63;

/// A host: an address, or a name in small ASCII letters without a dot at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address. An IPv6 address that maps an IPv4 address is that address.
    Address(IpAddr),
    /// A name. International names are in their ASCII form.
    Name(String),
}

impl Host {
    /// Parses a host after the URL standard. IPv6 addresses have brackets.
    ///
    /// Every spelling of an IPv4 address that `inet_aton(3)` knows becomes that address, as `0x7f.1` or `2130706433`. Returns `None`
    /// for names that end in a number, and for characters that no host name has. A percent sign is one, so IPv6 has no zones.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains('%') {
            return None;
        }
        match url::Host::parse(text).ok()? {
            url::Host::Ipv4(address) => Some(Self::Address(address.into())),
            url::Host::Ipv6(address) => Some(Self::Address(IpAddr::from(address).to_canonical())),
            url::Host::Domain(name) => Self::from_name(&name),
        }
    }

    /// Returns the host of a URL whose scheme is `http` or `https`.
    pub fn of(url: &url::Url) -> Option<Self> {
        Self::parse(url.host_str()?)
    }

    fn from_name(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_label = |label: &str| {
            (1..=LABEL_MAX).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let fits = name.len() <= NAME_MAX && name.split('.').all(is_label);
        fits.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Splits `HOST:PORT`. Returns `None` without a port from 1 to 65535 in plain digits.
pub(super) fn split_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| is_number && *port > 0)?;
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("127.0.0.1")]
    #[case::decimal("2130706433")]
    #[case::hexadecimal("0x7f000001")]
    #[case::hexadecimal("0X7F.0.0.1")]
    #[case::octal("017700000001")]
    #[case::octal("0177.0.0.01")]
    #[case::short("127.1")]
    #[case::short("127.0.1")]
    #[case::mixed("0x7f.1")]
    #[case::dot("127.0.0.1.")]
    #[case::wide_digits("１２７.０.０.１")]
    #[case::wide_dots("127。0。0。1")]
    #[case::circled_digits("①②⑦.0.0.1")]
    #[case::mapped("[::ffff:127.0.0.1]")]
    #[case::mapped("[::FFFF:7f00:1]")]
    #[case::mapped("[0:0:0:0:0:ffff:7f00:0001]")]
    fn every_spelling_of_loopback_is_that_address(#[case] text: &str) {
        assert_eq!(Host::parse(text), Some(Host::Address("127.0.0.1".parse().unwrap())));
    }

    #[rstest]
    #[case("Example.ORG", "example.org")]
    #[case("example.org.", "example.org")]
    #[case("bücher.example", "xn--bcher-kva.example")]
    #[case("XN--bcher-KVA.example", "xn--bcher-kva.example")]
    #[case("ｅxample。org", "example.org")]
    #[case("a_b.example.org", "a_b.example.org")]
    #[case("localhost", "localhost")]
    fn names_have_one_form(#[case] text: &str, #[case] name: &str) {
        assert_eq!(Host::parse(text), Some(Host::Name(name.to_owned())));
    }

    #[rstest]
    #[case("")]
    #[case(".")]
    #[case("a..b")]
    #[case("127.0.0.1%00.example.org")]
    #[case("%31%32%37.0.0.1")]
    #[case("[fe80::1%eth0]")]
    #[case("[fe80::1%25eth0]")]
    #[case("fe80::1")]
    #[case("[::1")]
    #[case("[127.0.0.1]")]
    #[case("127.0.0.1 x")]
    #[case("127.0.0.256")]
    #[case("1.2.3.4.5")]
    #[case("4294967296")]
    #[case("09")]
    #[case("a.0x")]
    #[case("me@host")]
    #[case("host/path")]
    #[case("host?x")]
    #[case("host#x")]
    #[case("host:80")]
    #[case("a\0b")]
    #[case("a\tb")]
    #[case("a'b")]
    fn other_texts_are_no_hosts(#[case] text: &str) {
        assert_eq!(Host::parse(text), None, "{text:?}");
    }

    #[rstest]
    #[case("host:443", Some(("host", 443)))]
    #[case("[::1]:443", Some(("[::1]", 443)))]
    #[case("host", None)]
    #[case("host:", None)]
    #[case("host:0", None)]
    #[case("host:+1", None)]
    #[case("host:65536", None)]
    #[case("host: 1", None)]
    fn ports_are_plain_numbers(#[case] text: &str, #[case] expected: Option<(&str, u16)>) {
        assert_eq!(split_port(text), expected);
    }

    proptest! {
        #[test]
        fn no_name_is_an_address_of_inet_aton(text in "[0-9a-fx.]{1,20}") {
            let name = match Host::parse(&text) {
                Some(Host::Name(name)) => name,
                _ => return Ok(()),
            };
            let is_number = |part: &str| {
                part.strip_prefix("0x").map_or_else(
                    || !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()),
                    |rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()),
                )
            };
            prop_assert!(!name.split('.').all(is_number), "{name}");
        }

        #[test]
        fn numbers_are_the_addresses_that_they_encode(bits in any::<u32>()) {
            let address = Some(Host::Address(std::net::Ipv4Addr::from(bits).into()));
            for text in [format!("{bits}"), format!("0x{bits:x}"), format!("0{bits:o}")] {
                prop_assert_eq!(Host::parse(&text), address.clone());
            }
        }
    }
}
