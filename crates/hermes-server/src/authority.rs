//! The authority of a request: the value of `Host`, or the part of an origin behind its scheme.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name in the DNS, in bytes.
const NAME_MAX: usize = 253;

/// A host, in the one form that equal hosts share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address. An IPv4 address inside IPv6 counts as the IPv4 address.
    Address(IpAddr),
    /// A name in lower case, without a trailing dot.
    Name(String),
}

/// A host and the port that the text spells out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, where the text has one.
    pub port: Option<u16>,
}

/// The text is no authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The host is neither a name nor an address.
    #[error("the host is neither a name nor an address")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("the port is no number from 1 to 65535")]
    Port,
}

impl Authority {
    /// Parses `name`, `1.2.3.4` or `[::1]`, each with or without `:port`.
    ///
    /// # Errors
    /// The host or the port is malformed.
    pub fn parse(text: &str) -> Result<Self, AuthorityError> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']').ok_or(AuthorityError::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| AuthorityError::Host)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => port_of(port)?,
                None if rest.is_empty() => None,
                None => return Err(AuthorityError::Host),
            };
            return Ok(Self { host: Host::Address(IpAddr::V6(address).to_canonical()), port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, port_of(port)?),
            None => (text, None),
        };
        Ok(Self { host: Host::of_name(host)?, port })
    }

    /// Parses an origin, `http://HOST` or `https://HOST`, and fills in the default port of its scheme.
    /// `None` stands for anything else, `null` included.
    #[must_use]
    pub fn of_origin(origin: &str) -> Option<(Self, u16)> {
        let (scheme, rest) = origin.split_once("://")?;
        let default_port = default_port(scheme)?;
        Self::parse(rest).ok().map(|authority| (authority, default_port))
    }

    /// The port, with `default_port` for none.
    #[must_use]
    pub fn port_or(&self, default_port: u16) -> u16 {
        self.port.unwrap_or(default_port)
    }

    /// Compares two authorities of one scheme, whose default port is `default_port`.
    #[must_use]
    pub fn is_same(&self, other: &Self, default_port: u16) -> bool {
        self.host == other.host && self.port_or(default_port) == other.port_or(default_port)
    }
}

impl Host {
    fn of_name(text: &str) -> Result<Self, AuthorityError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > NAME_MAX || !name.split('.').all(is_label) {
            return Err(AuthorityError::Host);
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }

    /// Decides a request for this host. A page of a stranger reaches a server here only by a name that the stranger's DNS
    /// resolves. Addresses, `localhost` and names without a dot are no such names; `configured` adds others.
    #[must_use]
    pub fn is_allowed(&self, configured: &[Host]) -> bool {
        match self {
            Self::Address(_) => true,
            Self::Name(name) => {
                !name.contains('.') || name.ends_with(".localhost") || configured.contains(self)
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Decides a request whose `Host` is `text`. `configured` holds names, or `*` for any name. A malformed text is refused.
#[must_use]
pub fn is_allowed(text: &str, configured: &[String]) -> bool {
    let Ok(Authority { host, .. }) = Authority::parse(text) else { return false };
    let is_host = |word: &String| word == "*" || Authority::parse(word).is_ok_and(|known| known.host == host);
    host.is_allowed(&[]) || configured.iter().any(is_host)
}

/// Tells whether a page of `origin` is a page of the site that `host`, the value of `Host`, names. A default port may be spelled out in
/// either (RFC 6454, section 7).
#[must_use]
pub fn is_same_site(origin: &str, host: &str) -> bool {
    let (Some((origin, port)), Ok(host)) = (Authority::of_origin(origin), Authority::parse(host)) else {
        return false;
    };
    origin.is_same(&host, port)
}

/// The port of a scheme that a URL does not spell out.
#[must_use]
pub fn default_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// An empty port is none (RFC 3986, section 3.2.3).
fn port_of(text: &str) -> Result<Option<u16>, AuthorityError> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AuthorityError::Port);
    }
    text.parse().ok().filter(|port| *port != 0).map(Some).ok_or(AuthorityError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Authority {
        Authority::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_default_port_case_and_trailing_dot_make_no_difference() {
        assert!(parse("Agents.Example.:443").is_same(&parse("agents.example"), 443));
        assert!(parse("[::1]:80").is_same(&parse("[0:0::1]"), 80));
        assert!(parse("[::ffff:127.0.0.1]").is_same(&parse("127.0.0.1:80"), 80));
        assert!(!parse("a.example:443").is_same(&parse("a.example"), 80));
        assert!(!parse("a.example:81").is_same(&parse("a.example"), 80));
        let (origin, port) = Authority::of_origin("HTTPS://a.example:443").unwrap();
        assert!(origin.is_same(&parse("A.example"), port));
        assert!(Authority::of_origin("null").is_none() && Authority::of_origin("ftp://a").is_none());
    }

    #[rstest::rstest]
    #[case("https://localhost", "localhost:443", true)]
    #[case("https://localhost:443", "localhost", true)]
    #[case("http://a:80", "A.", true)]
    #[case("HTTP://a", "a:80", true)]
    #[case("https://a:8443", "a:8443", true)]
    #[case("http://[::1]:9119", "[0:0:0:0:0:0:0:1]:9119", true)]
    #[case("http://a", "a:", true)]
    #[case("https://a", "a:80", false)]
    #[case("http://a", "a:443", false)]
    #[case("https://a:8443", "a", false)]
    #[case("http://a:1", "a:2", false)]
    #[case("http://a", "b", false)]
    #[case("http://a@b", "b", false)]
    #[case("http://a/x", "a", false)]
    #[case("http://a:+80", "a", false)]
    #[case("null", "a", false)]
    #[case("", "", false)]
    #[case("file://", "", false)]
    #[case("ftp://a", "a", false)]
    fn origins_are_compared_with_their_ports(#[case] origin: &str, #[case] host: &str, #[case] same: bool) {
        assert_eq!(is_same_site(origin, host), same);
    }

    #[test]
    fn malformed_authorities_are_refused() {
        for text in [
            "", ".", "a..b", "a b", "[::1", "[::1]x", "::1", "a:0", "a:65536", "a:+1", "u@a", "a/b",
            "a:80:80",
        ] {
            assert!(Authority::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_name_with_a_dot_needs_configuration() {
        let configured = [parse("agents.example").host];
        for text in ["127.0.0.1:1", "10.0.0.7", "[::1]", "localhost", "hermes-0:8642", "Agents.example."] {
            assert!(parse(text).host.is_allowed(&configured), "{text}");
        }
        for text in ["evil.example", "agents.example.evil.test", "127.0.0.1.evil.example", "x.agents.example"]
        {
            assert!(!parse(text).host.is_allowed(&configured), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_site_is_itself_and_no_other(host in "[a-z0-9-]{1,20}", port in 1_u16.., other in 1_u16..) {
            let here = format!("{host}:{port}");
            let origin = format!("http://{here}");
            proptest::prop_assert!(is_same_site(&origin, &here));
            let there = format!("{host}:{other}");
            proptest::prop_assert_eq!(is_same_site(&origin, &there), port == other);
        }

        #[test]
        fn any_text_parses_or_fails_and_its_host_parses_again(text in "[a-zA-Z0-9.:\\[\\]_-]{0,40}|.{0,40}") {
            if let Ok(authority) = Authority::parse(&text) {
                proptest::prop_assert_eq!(Authority::parse(&authority.host.to_string()).unwrap().host, authority.host);
            }
        }
    }
}
