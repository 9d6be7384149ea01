//! The cookie that a browser carries its session in.

use axum::http::{HeaderMap, HeaderValue, header};

use super::{LIFETIME, Session};

/// Its name.
const NAME: &str = "hermes_session";

/// The id that the request carries, if any. Whether there is such a session is another matter.
pub(crate) fn session_of(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, value)| value)
}

/// `Set-Cookie` for a session that begins: no script reads it, no other site's page sends it.
pub(crate) fn beginning(session: &Session, base: &str, encrypted: bool) -> Option<HeaderValue> {
    set(&session.id, LIFETIME.as_secs(), base, encrypted)
}

/// `Set-Cookie` for one that ended.
pub(crate) fn ending(base: &str, encrypted: bool) -> Option<HeaderValue> {
    set("", 0, base, encrypted)
}

fn set(value: &str, seconds: u64, base: &str, encrypted: bool) -> Option<HeaderValue> {
    let secure = if encrypted { "; Secure" } else { "" };
    let text = format!("{NAME}={value}; Path={base}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, HeaderValue::from_static(value));
            }
            session_of(&headers).map(str::to_owned)
        };
        assert_eq!(of(&["a=b; hermes_session=abc; c"]), Some("abc".into()));
        assert_eq!(of(&["a=b", "hermes_session=abc"]), Some("abc".into()));
        assert_eq!(of(&["xhermes_session=abc; hermes_session2=d"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn it_is_for_this_site_alone_and_no_script_reads_it() {
        let session = Session { id: "abc".into(), csrf: String::new() };
        assert_eq!(
            beginning(&session, "/x/", true).unwrap(),
            "hermes_session=abc; Path=/x/; Max-Age=604800; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            ending("/", false).unwrap(),
            "hermes_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        );
    }
}
