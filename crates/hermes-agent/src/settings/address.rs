//! Addresses of model servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// Parses the base URL of a server. Refuses a URL with a user or a password: errors and lists show the URL.
pub(crate) fn base_url_of(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    fits.then_some(url)
}

/// Returns scheme, host, port and path, without a user and a query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // These fail only for a URL without a host, which shows nothing secret.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Returns `true` for an address that only machines nearby have: loopback, private networks, `.local`, names without a dot.
pub(crate) fn is_local(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => is_local_v4(address),
        Ok(IpAddr::V6(address)) => address.to_ipv4_mapped().map_or_else(|| is_local_v6(address), is_local_v4),
        Err(_) => {
            let host = host.trim_end_matches('.');
            !host.contains('.')
                || [".local", ".internal", ".localhost", ".lan", ".home.arpa"]
                    .iter()
                    .any(|end| host.ends_with(end))
        }
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    // 100.64.0.0/10 belongs to networks such as Tailscale.
    let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || is_shared
}

fn is_local_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://127.0.0.1:8080/v1", true)]
    #[case("http://[::1]:8080", true)]
    #[case("http://[fd00::1]", true)]
    #[case("http://192.168.1.7", true)]
    #[case("http://100.100.1.1", true)]
    #[case("http://ollama:11434", true)]
    #[case("http://box.local", true)]
    #[case("http://host.docker.internal", true)]
    #[case("https://api.openai.com/v1", false)]
    #[case("http://8.8.8.8", false)]
    #[case("http://localhost.example.org", false)]
    fn local_addresses_are_recognised(#[case] url: &str, #[case] local: bool) {
        assert_eq!(is_local(&Url::parse(url).unwrap()), local);
    }

    #[rstest]
    #[case("ftp://host/v1")]
    #[case("host/v1")]
    #[case("https://me:pass@host/v1")]
    #[case("https://host/v1#part")]
    #[case("")]
    fn unusable_base_urls_are_refused(#[case] url: &str) {
        assert_eq!(base_url_of(url), None);
    }

    #[test]
    fn shown_urls_hold_no_secret() {
        let url = Url::parse("https://me:pass@host:8443/v1?key=canary#x").unwrap();
        assert_eq!(shown(&url), "https://host:8443/v1");
    }
}
