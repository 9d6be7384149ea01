//! The client behind proxies that are trusted, as `X-Forwarded-For` and `Forwarded` (RFC 7239) tell it.
//!
//! Proxies append to these headers, so the last entries are the believable ones. A proxy writes one of the two, and passes on the
//! other as a client made it up: where they differ, neither is believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Proxies in a row. What stands before them is not looked at.
const HOPS_MAX: usize = 32;

/// Returns the last address that no trusted proxy has; the peer where the headers tell nothing that can be believed.
pub(super) fn client_behind(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
    if !is_proxy(&peer) {
        return peer;
    }
    let last_of = |nodes: &mut dyn Iterator<Item = Option<IpAddr>>| {
        let mut client = peer;
        // An entry without an address (`unknown`, `_hidden`) ends the trusted part of the list.
        for address in nodes.take(HOPS_MAX).map_while(|address| address) {
            client = address;
            if !is_proxy(&client) {
                break;
            }
        }
        client
    };
    let values = text_of(headers, "x-forwarded-for");
    let by_list = values.as_ref().map(|values| last_of(&mut values.rsplit(',').map(node)));
    let values = text_of(headers, "forwarded");
    let by_standard = values.as_ref().map(|values| {
        let elements = elements(values).unwrap_or_default();
        last_of(&mut elements.iter().rev().map(|element| node(value_of(element, "for")?)))
    });
    match (by_list, by_standard) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

/// Tells whether the first proxy, which the browser talks to, says that the connection is encrypted.
pub(super) fn says_https(headers: &HeaderMap) -> bool {
    let first =
        text_of(headers, "x-forwarded-proto").and_then(|values| values.split(',').next().map(str::to_owned));
    let first = first.or_else(|| {
        let elements = elements(&text_of(headers, "forwarded")?)?;
        elements.first().and_then(|element| value_of(element, "proto")).map(str::to_owned)
    });
    first.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

/// All values of a header as one list (RFC 9110, 5.3). A value that is no text ends it from the front.
fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Returns the address of an entry: `192.0.2.1`, `192.0.2.1:50001`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`, each perhaps in
/// quotes.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    let address = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
                return None;
            }
            address.split('%').next()?.parse::<Ipv6Addr>().ok()?.into()
        }
        None => match text.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => {
                let (address, port) = text.rsplit_once(':')?;
                if !is_port(port) {
                    return None;
                }
                address.parse::<Ipv4Addr>().ok()?.into()
            }
        },
    };
    Some(address.to_canonical())
}

/// A port, or an obfuscated one (RFC 7239, 6).
fn is_port(text: &str) -> bool {
    let is_obfuscated = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    text.parse::<u16>().is_ok() || text.strip_prefix('_').is_some_and(is_obfuscated)
}

/// The pairs of one proxy.
type Element = Vec<(String, String)>;

fn value_of<'e>(element: &'e Element, name: &str) -> Option<&'e str> {
    element.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// Returns the elements of `Forwarded`: pairs with semicolons between them, in a list (RFC 7239, 4). Returns `None` if the text is
/// anything else: a quote that does not end could hide the rest.
fn elements(text: &str) -> Option<Vec<Element>> {
    let mut elements = vec![Element::new()];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        match rest.as_bytes()[0] {
            b',' => {
                elements.push(Element::new());
                rest = rest[1..].trim_start();
                continue;
            }
            b';' => {
                rest = rest[1..].trim_start();
                continue;
            }
            _ => {}
        }
        let (name, after) = rest.split_once('=')?;
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find([',', ';']).unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            }
        };
        elements.last_mut()?.push((name.to_ascii_lowercase(), value));
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with([',', ';']) {
            return None;
        }
    }
    elements.retain(|element| !element.is_empty());
    Some(elements)
}

/// Returns a quoted string behind its first quote, and what follows it (RFC 9110, 5.6.4).
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[place + 1..])),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::http::HeaderValue;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const FOR: &str = "x-forwarded-for";

    fn client(peer: &str, pairs: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_behind(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[rstest]
    #[case("10.0.0.1", &[(FOR, "203.0.113.7")], "203.0.113.7")]
    #[case("10.0.0.1", &[(FOR, "6.6.6.6, 203.0.113.7, 10.0.0.2")], "203.0.113.7")]
    #[case("10.0.0.1", &[(FOR, "6.6.6.6"), (FOR, "203.0.113.7")], "203.0.113.7")]
    #[case("10.0.0.1", &[(FOR, "evil, 10.0.0.2")], "10.0.0.2")]
    #[case("10.0.0.1", &[(FOR, "ü, 10.0.0.2")], "10.0.0.1")]
    #[case("10.0.0.1", &[], "10.0.0.1")]
    #[case("192.0.2.1", &[(FOR, "203.0.113.7")], "192.0.2.1")]
    #[case("192.0.2.1", &[("forwarded", "for=203.0.113.7")], "192.0.2.1")]
    #[case("10.0.0.1", &[(FOR, "::ffff:203.0.113.7")], "203.0.113.7")]
    // Azure Application Gateway writes the port.
    #[case("10.0.0.1", &[(FOR, "203.0.113.9:50001")], "203.0.113.9")]
    #[case("10.0.0.1", &[(FOR, "6.6.6.6:1, 203.0.113.9:50001, 10.0.0.2:443")], "203.0.113.9")]
    #[case("10.0.0.1", &[(FOR, "[2001:db8::1]:443")], "2001:db8::1")]
    #[case("10.0.0.1", &[(FOR, "[2001:db8::1]")], "2001:db8::1")]
    #[case("10.0.0.1", &[(FOR, "2001:db8::1")], "2001:db8::1")]
    #[case("10.0.0.1", &[(FOR, "\"[2001:db8::1]:443\"")], "2001:db8::1")]
    #[case("10.0.0.1", &[(FOR, "203.0.113.9:x")], "10.0.0.1")]
    #[case("10.0.0.1", &[("forwarded", "for=203.0.113.7;proto=https")], "203.0.113.7")]
    #[case("10.0.0.1", &[("forwarded", "For=\"[2001:db8:cafe::17]:4711\"")], "2001:db8:cafe::17")]
    #[case("10.0.0.1", &[("forwarded", "for=6.6.6.6, for=\"203.0.113.7:80\";by=x , FOR=10.0.0.2")], "203.0.113.7")]
    #[case("10.0.0.1", &[("forwarded", "for=6.6.6.6, for=_hidden, for=10.0.0.2")], "10.0.0.2")]
    #[case("10.0.0.1", &[("forwarded", "for=203.0.113.7"), ("forwarded", "for=unknown")], "10.0.0.1")]
    #[case("10.0.0.1", &[("forwarded", "for=203.0.113.7;by=\"a, for=6.6.6.6\"")], "203.0.113.7")]
    #[case("10.0.0.1", &[("forwarded", "for=203.0.113.7, by=\"")], "10.0.0.1")]
    // Both: a proxy wrote one of them, a client the other.
    #[case("10.0.0.1", &[(FOR, "203.0.113.7"), ("forwarded", "for=203.0.113.7")], "203.0.113.7")]
    #[case("10.0.0.1", &[(FOR, "203.0.113.7"), ("forwarded", "for=6.6.6.6")], "10.0.0.1")]
    fn client_is_the_last_address_without_a_trusted_proxy(
        #[case] peer: &str,
        #[case] pairs: &[(&'static str, &str)],
        #[case] expected: &str,
    ) {
        assert_eq!(client(peer, pairs), expected);
    }

    #[rstest]
    #[case(&[("x-forwarded-proto", "https")], true)]
    #[case(&[("x-forwarded-proto", "HTTPS, http")], true)]
    #[case(&[("x-forwarded-proto", "http,https")], false)]
    #[case(&[("forwarded", "for=1.1.1.1;proto=HTTPS, for=10.0.0.1;proto=http")], true)]
    #[case(&[("forwarded", "for=1.1.1.1")], false)]
    #[case(&[], false)]
    fn the_first_proxy_says_whether_the_connection_is_encrypted(
        #[case] pairs: &[(&'static str, &'static str)],
        #[case] expected: bool,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(says_https(&headers), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(list in ".{0,200}", standard in ".{0,200}") {
            let mut headers = HeaderMap::new();
            for (name, text) in [(FOR, &list), ("forwarded", &standard)] {
                if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
                    headers.append(name, value);
                }
            }
            client_behind([10, 0, 0, 1].into(), &headers, &["10.0.0.0/8".parse().unwrap()]);
            says_https(&headers);
            let _ = elements(&standard);
        }

        #[test]
        fn an_address_is_found_again_however_it_is_written(address in any::<IpAddr>(), port in any::<u16>()) {
            let socket = SocketAddr::new(address, port).to_string();
            for text in [address.to_string(), socket.clone(), format!("\"{socket}\"")] {
                prop_assert_eq!(node(&text), Some(address.to_canonical()), "{}", text);
            }
            let element = format!("proto=https;For=\"{socket}\"");
            let elements = elements(&element).unwrap();
            prop_assert_eq!(value_of(&elements[0], "for"), Some(socket.as_str()));
        }

        #[test]
        fn a_client_cannot_pass_for_another_by_what_it_sends(forged in "[ -~]{0,80}") {
            // The proxy appends the address that it sees.
            let list = format!("{forged}, 203.0.113.7");
            prop_assert_eq!(client("10.0.0.1", &[(FOR, &list)]), "203.0.113.7");
            let found = client("10.0.0.1", &[("forwarded", &format!("{forged}, for=203.0.113.7"))]);
            prop_assert!(found == "203.0.113.7" || found == "10.0.0.1", "{}", found);
        }
    }
}
