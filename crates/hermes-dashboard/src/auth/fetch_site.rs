//! The site that a browser made a request for: this dashboard's own page, or a page of another site.
//!
//! `Sec-Fetch-*` (W3C Fetch Metadata) tells it where the browser trusts the connection (TLS, loopback); `Origin` (RFC 6454) tells it
//! for forms and scripts elsewhere. A program sends neither.

use axum::http::{HeaderMap, Method, header};

/// Who made the request, as the browser tells.
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
                let authority =
                    origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
                let is_ours = authority
                    .is_some_and(|origin| text("host").is_some_and(|host| host.eq_ignore_ascii_case(origin)));
                if is_ours { Maker::Ours } else { Maker::Foreign }
            }
        },
    }
}
