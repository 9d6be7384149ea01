//! The host and the port that `Host` and `Origin` name (RFC 3986, 3.2; RFC 6454, 7), compared as what they mean and not as texts.

use std::net::{IpAddr, Ipv6Addr};

/// A host, in lower case and without a dot at its end, and a port where one is spelled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl Authority {
    /// Returns `None` if the text is no authority, or has a name and a password in it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                let port = if rest.is_empty() { "" } else { rest.strip_prefix(':')? };
                (address.to_string(), port)
            }
            None => {
                let (host, port) = text.split_once(':').unwrap_or((text, ""));
                let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=".contains(c);
                host.chars().all(is_part).then_some(())?;
                (host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(), port)
            }
        };
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = if port.is_empty() { None } else { Some(is_number.then(|| port.parse().ok()).flatten()?) };
        (!host.is_empty()).then_some(Self { host, port })
    }

    /// The address that the host is, if it is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Tells whether a page of `origin` is a page of the site that `host` names. A default port may be spelled out in either.
pub(super) fn is_same_site(origin: &str, host: &str) -> bool {
    let Some((scheme, origin)) = origin.split_once("://") else { return false };
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let (Some(origin), Some(host)) = (Authority::parse(origin), Authority::parse(host)) else { return false };
    origin.host == host.host && origin.port.unwrap_or(default) == host.port.unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
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

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,80}", other in ".{0,80}") {
            let _ = (Authority::parse(&text), is_same_site(&text, &other));
        }

        #[test]
        fn a_site_is_itself_and_no_other(host in "[a-z0-9.-]{1,20}", port in 1_u16.., other in 1_u16..) {
            prop_assume!(host != ".");
            let here = format!("{host}:{port}");
            let origin = format!("http://{here}");
            prop_assert!(is_same_site(&origin, &here));
            let there = format!("{host}:{other}");
            prop_assert_eq!(is_same_site(&origin, &there), port == other);
        }
    }
}
