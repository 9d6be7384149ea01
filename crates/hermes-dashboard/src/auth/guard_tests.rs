//! Tests of what decides without a dashboard around it.

use axum::http::HeaderValue;
use rstest::rstest;

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[rstest]
#[case("10.0.0.1", &[("x-forwarded-for", "203.0.113.7")], "203.0.113.7")]
#[case("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.2")], "203.0.113.7")]
#[case("10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7")], "203.0.113.7")]
#[case("10.0.0.1", &[("x-forwarded-for", "evil, 10.0.0.2")], "10.0.0.2")]
#[case("10.0.0.1", &[], "10.0.0.1")]
#[case("192.0.2.1", &[("x-forwarded-for", "203.0.113.7")], "192.0.2.1")]
#[case("10.0.0.1", &[("x-forwarded-for", "::ffff:203.0.113.7")], "203.0.113.7")]
fn the_client_is_the_last_address_that_no_trusted_proxy_has(
    #[case] peer: &str,
    #[case] pairs: &[(&'static str, &'static str)],
    #[case] client: &str,
) {
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    assert_eq!(client_behind(peer.parse().unwrap(), &headers(pairs), &proxies).to_string(), client);
}

#[test]
fn names_with_a_dot_have_to_be_allowed() {
    let allowed = ["nas.example".to_owned()];
    for host in ["127.0.0.1", "[::1]", "localhost", "nas", "x.localhost", "nas.example", "nas.example."] {
        assert!(is_allowed(host, &allowed), "{host}");
    }
    for host in ["", ".", "evil.example", "nas.example.evil", "xnas.example", "127.0.0.1.evil.example"] {
        assert!(!is_allowed(host, &allowed), "{host}");
    }
    assert!(is_allowed("evil.example", &["*".to_owned()]));
}

#[test]
fn a_password_may_hold_a_colon_and_what_is_no_base64_is_none() {
    assert_eq!(basic("bWU6cGFzczp3b3Jk"), Some(("me".into(), "pass:word".into())));
    for odd in ["", "!!!", "bWU=", "/w=="] {
        assert_eq!(basic(odd), None, "{odd}");
    }
}
