//! Tests of what decides without a dashboard around it.

use proptest::prelude::*;

use super::*;

fn allows(host: &str, allowed: &[&str]) -> bool {
    let allowed: Vec<_> = allowed.iter().map(|name| (*name).to_owned()).collect();
    hermes_server::authority::is_allowed(host, &allowed)
}

#[test]
fn names_with_a_dot_have_to_be_allowed() {
    let allowed = ["nas.example", "::1"];
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
        assert!(allows(host, &allowed), "{host}");
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
        assert!(!allows(host, &allowed), "{host}");
    }
    assert!(allows("evil.example", &["*"]));
}

#[test]
fn a_password_may_hold_a_colon_and_what_is_no_base64_is_none() {
    assert_eq!(basic("bWU6cGFzczp3b3Jk"), Some(("me".into(), "pass:word".into())));
    for odd in ["", "!!!", "bWU=", "/w=="] {
        assert_eq!(basic(odd), None, "{odd}");
    }
}

proptest! {
    #[test]
    fn any_text_in_authorization_is_read_without_a_panic(text in ".{0,200}") {
        let _ = given_by(&text);
        let _ = given_by(&format!("Basic {text}"));
    }

    #[test]
    fn a_name_and_a_password_are_found_again(user in "[^:]{0,20}", password in ".{0,40}", scheme in "[Bb][Aa][Ss][Ii][Cc]") {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        match given_by(&format!("{scheme} {pair}")) {
            Some(Given::Password { user: found, password: of_it }) => {
                prop_assert_eq!((found, of_it), (user, password));
            }
            _ => prop_assert!(false, "nothing was found"),
        }
    }
}
