//! The site that a browser made a request for: this dashboard's own page, or a page of another site.
//!
//! `Sec-Fetch-*` (W3C Fetch Metadata) tells it where the browser trusts the connection (TLS, loopback); `Origin` (RFC 6454) tells it
//! for forms and scripts elsewhere. A program sends neither.

use axum::http::{HeaderMap, Method, header};

use hermes_server::authority::is_same_site;

/// The origin of a request, as the browser reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// A page of this dashboard, a person, or a program.
    Ours,
    /// A page of another site that leads the visitor here with a link.
    Link,
    /// A page of another site.
    Foreign,
}

/// Returns who made a request.
pub(crate) fn maker_of(method: &Method, headers: &HeaderMap) -> Maker {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
        Some(b"same-origin" | b"none") => Maker::Ours,
        Some(_) => {
            let is_link = matches!(*method, Method::GET | Method::HEAD)
                && text("sec-fetch-mode") == Some("navigate")
                && text("sec-fetch-dest").is_none_or(|dest| dest == "document");
            if is_link { Maker::Link } else { Maker::Foreign }
        }
        None => match headers.get(header::ORIGIN) {
            None => Maker::Ours,
            Some(origin) => {
                let is_ours = origin
                    .to_str()
                    .is_ok_and(|origin| text("host").is_some_and(|host| is_same_site(origin, host)));
                if is_ours { Maker::Ours } else { Maker::Foreign }
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("POST", &[("host", "a:1"), ("origin", "http://a:1")], Maker::Ours)]
    #[case("POST", &[("host", "a"), ("origin", "https://a")], Maker::Ours)]
    #[case("POST", &[("host", "localhost:443"), ("origin", "https://localhost")], Maker::Ours)]
    #[case("POST", &[("host", "a:1")], Maker::Ours)]
    #[case("POST", &[("host", "a:1"), ("sec-fetch-site", "same-origin")], Maker::Ours)]
    // A proxy may change `Host`, and a policy of its own makes `Origin: null`.
    #[case("POST", &[("host", "b"), ("origin", "https://a"), ("sec-fetch-site", "same-origin")], Maker::Ours)]
    #[case("POST", &[("host", "a"), ("origin", "null"), ("sec-fetch-site", "same-origin")], Maker::Ours)]
    #[case("POST", &[("host", "a:1"), ("sec-fetch-site", "none")], Maker::Ours)]
    #[case("POST", &[("host", "a:1"), ("origin", "http://a:2")], Maker::Foreign)]
    #[case("POST", &[("host", "a:1"), ("origin", "http://b:1")], Maker::Foreign)]
    #[case("POST", &[("host", "a:1"), ("origin", "null")], Maker::Foreign)]
    #[case("POST", &[("host", "a:1"), ("origin", "")], Maker::Foreign)]
    #[case("POST", &[("origin", "http://a:1")], Maker::Foreign)]
    #[case("POST", &[("host", "a:1"), ("sec-fetch-site", "cross-site")], Maker::Foreign)]
    #[case("POST", &[("host", "a:1"), ("sec-fetch-site", "same-site"), ("origin", "http://a:1")], Maker::Foreign)]
    #[case("POST", &[("host", "a:1"), ("sec-fetch-site", "Same-Origin ")], Maker::Foreign)]
    #[case("POST", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], Maker::Foreign)]
    #[case("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], Maker::Link)]
    #[case("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], Maker::Foreign)]
    #[case("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], Maker::Foreign)]
    #[case("GET", &[("host", "a"), ("origin", "https://evil.example")], Maker::Foreign)]
    #[case("GET", &[("host", "a")], Maker::Ours)]
    fn the_browser_tells_who_made_a_request(
        #[case] method: &str,
        #[case] pairs: &[(&'static str, &'static str)],
        #[case] maker: Maker,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(maker_of(&method.parse().unwrap(), &headers), maker);
    }
}
