//! Tests of the parsers.

use proptest::prelude::*;

use super::*;

#[test]
fn a_password_may_contain_a_colon() {
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
