//! The cookie that a browser carries its session in.

use axum::http::{HeaderMap, HeaderValue, header};

use super::{LIFETIME, Session};

/// The number of cookies of this name that are read in one request. A browser sends one for each path.
const READ_MAX: usize = 4;

/// Returns the ids that a request carries in cookies of this name.
pub(crate) fn sessions_of<'h>(name: &'h str, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(found, _)| *found == name).map(|(_, value)| value).take(READ_MAX)
}

/// Returns `Set-Cookie` for a new session. Scripts cannot read the cookie, and pages of other sites cannot send it.
pub(crate) fn beginning(name: &str, session: &Session, base: &str, encrypted: bool) -> Option<HeaderValue> {
    set(name, &session.id, LIFETIME.as_secs(), base, encrypted)
}

/// Returns `Set-Cookie` for a session that ended.
pub(crate) fn ending(name: &str, base: &str, encrypted: bool) -> Option<HeaderValue> {
    set(name, "", 0, base, encrypted)
}

fn set(name: &str, value: &str, seconds: u64, base: &str, encrypted: bool) -> Option<HeaderValue> {
    let secure = if encrypted { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={base}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let values = values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok());
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, value);
        }
        headers
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let of = |values: &[&str]| {
            let values: Vec<_> = values.iter().map(|value| value.as_bytes()).collect();
            sessions_of("hermes_session_1", &headers(&values)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of(&["a=b; hermes_session_1=abc; c"]), ["abc"]);
        assert_eq!(of(&["hermes_session_1=abc;hermes_session_1=def"]), ["abc", "def"]);
        assert!(of(&["xhermes_session_1=abc; hermes_session_12=d; hermes_session=e"]).is_empty());
        assert!(of(&[]).is_empty());
        assert_eq!(of(&["hermes_session_1=a; ".repeat(100).as_str()]).len(), READ_MAX);
    }

    #[test]
    fn the_cookie_is_hidden_from_scripts_and_other_sites() {
        let session = Session { id: "abc".into(), csrf: String::new() };
        assert_eq!(
            beginning("n", &session, "/x/", true).unwrap(),
            "n=abc; Path=/x/; Max-Age=604800; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(ending("n", "/", false).unwrap(), "n=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    }

    proptest! {
        #[test]
        fn any_bytes_hold_few_sessions(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let headers = headers(&[&bytes]);
            prop_assert!(sessions_of("s", &headers).count() <= READ_MAX);
        }

        #[test]
        fn a_cookie_that_was_set_is_found_again(id in "[0-9a-f]{64}", before in "([a-z]{1,8}=[a-z0-9]{0,8}; ){0,5}") {
            let session = Session { id: id.clone(), csrf: String::new() };
            let set = beginning("S", &session, "/", false).unwrap();
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let headers = headers(&[format!("{before}{pair}").as_bytes()]);
            prop_assert_eq!(sessions_of("S", &headers).collect::<Vec<_>>(), [id.as_str()]);
        }
    }
}
