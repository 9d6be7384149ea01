//! The authority of a request: the value of `Host`, or the part of an origin behind its scheme (RFC 3986, section 3.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name in the DNS, in bytes.
const NAME_MAX: usize = 253;

/// A host, in the one form that equal hosts share.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// An address. An IPv4 address inside IPv6 counts as the IPv4 address.
    Address(IpAddr),
    /// A name in lower case, without a trailing dot.
    Name(String),
}

/// A host and the port in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Authority {
    /// Parses `name`, `1.2.3.4` or `[::1]`, each with or without `:port`. An empty port is none (RFC 3986, section 3.2.3).
    /// Returns `None` if the host or the port is malformed.
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = match rest {
                "" | ":" => None,
                rest => Some(port_of(rest.strip_prefix(':')?)?),
            };
            return Some(Self { host: Host::Address(IpAddr::V6(address).to_canonical()), port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port_of(port)?)),
            None => (text, None),
        };
        Some(Self { host: Host::of_name(host)?, port })
    }

    /// Parses an origin, `http://HOST` or `https://HOST`, and returns the default port of its scheme with it.
    /// Returns `None` for any other text, for example `null`.
    fn of_origin(origin: &str) -> Option<(Self, u16)> {
        let (scheme, rest) = origin.split_once("://")?;
        let default_port = default_port(scheme)?;
        Self::parse(rest).map(|authority| (authority, default_port))
    }

    /// Compares two authorities of one scheme, whose default port is `default_port`.
    fn is_same(&self, other: &Self, default_port: u16) -> bool {
        let port_of = |authority: &Self| authority.port.unwrap_or(default_port);
        self.host == other.host && port_of(self) == port_of(other)
    }
}

impl Host {
    fn of_name(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > NAME_MAX || !name.split('.').all(is_label) {
            return None;
        }
        Some(Self::Name(name.to_ascii_lowercase()))
    }

    /// Tells whether the DNS of another party cannot resolve this host: an address, `localhost`, or a name without a dot.
    fn is_local(&self) -> bool {
        match self {
            Self::Address(_) => true,
            Self::Name(name) => !name.contains('.') || name.ends_with(".localhost"),
        }
    }
}

/// Tells whether a server answers to the host in `text`, a value of `Host`. A page of another party reaches the server only by a
/// name that its own DNS resolves. `configured` holds the allowed names of this kind, or `*` for any name. A malformed text is not
/// allowed.
#[must_use]
pub fn is_allowed(text: &str, configured: &[String]) -> bool {
    let Some(Authority { host, .. }) = Authority::parse(text) else { return false };
    let is_host =
        |word: &String| word == "*" || Authority::parse(word).is_some_and(|known| known.host == host);
    host.is_local() || configured.iter().any(is_host)
}

/// Tells whether `origin` is the site that `host`, the value of `Host`, names. Either text may contain the default port (RFC 6454,
/// section 7).
#[must_use]
pub fn is_same_site(origin: &str, host: &str) -> bool {
    let (Some((origin, port)), Some(host)) = (Authority::of_origin(origin), Authority::parse(host)) else {
        return false;
    };
    origin.is_same(&host, port)
}

/// Returns the port that a URL of this scheme may omit.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Reads a number from 1 to 65535.
fn port_of(text: &str) -> Option<u16> {
    // `parse` would take a sign.
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Authority {
        Authority::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    fn written(host: &Host) -> String {
        match host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        }
    }

    #[test]
    fn default_port_case_and_trailing_dot_do_not_matter() {
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
            assert!(Authority::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn only_a_name_with_a_dot_needs_configuration() {
        let configured = ["agents.example".to_owned()];
        for text in ["127.0.0.1:1", "10.0.0.7", "[::1]", "localhost", "hermes-0:8642", "Agents.example."] {
            assert!(is_allowed(text, &configured), "{text}");
        }
        for text in ["evil.example", "agents.example.evil.test", "127.0.0.1.evil.example", "x.agents.example"]
        {
            parse(text);
            assert!(!is_allowed(text, &configured), "{text}");
        }
    }

    #[test]
    fn configured_addresses_and_wildcards_are_understood() {
        let configured = ["nas.example".to_owned(), "::1".to_owned()];
        for host in [
            "127.0.0.1",
            "[::1]:1",
            "localhost",
            "nas",
            "x.localhost",
            "NAS.example",
            "nas.example.",
            "nas.example:443",
        ] {
            assert!(is_allowed(host, &configured), "{host}");
        }
        for host in [
            "",
            ".",
            "evil.example",
            "nas.example.evil",
            "xnas.example",
            "127.0.0.1.evil.example",
            "nas@evil.example",
        ] {
            assert!(!is_allowed(host, &configured), "{host}");
        }
        assert!(is_allowed("evil.example", &["*".to_owned()]));
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
        fn any_text_parses_or_fails_without_a_panic(text in "[a-zA-Z0-9.:\\[\\]_-]{0,40}|.{0,40}") {
            if let Some(authority) = Authority::parse(&text) {
                proptest::prop_assert_eq!(Authority::parse(&written(&authority.host)).unwrap().host, authority.host);
            }
        }
    }
}
