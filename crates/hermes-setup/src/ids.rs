//! The IDs that the operator requests for the account: `HERMES_UID` and `HERMES_GID`, or `PUID` and `PGID`.

use std::ffi::OsStr;

use crate::notice::{Notice, Notices};
use crate::variables::Variables;

/// The highest ID. 65535 means "no ID" in 16 bits, and many file systems of a NAS support no higher one.
const HIGHEST: u32 = 65534;

/// The requested IDs. `None` if there is no request, or an invalid one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestedIds {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl RequestedIds {
    pub(crate) fn from(variables: &Variables, notices: &mut Notices) -> Self {
        let mut first = |names: [&'static str; 2]| {
            for name in names {
                let Some(value) = variables.raw(name) else { continue };
                if value.is_empty() {
                    notices.add(Notice::EmptyId { name });
                    continue;
                }
                let id = id_of(value);
                if id.is_none() {
                    notices.add(Notice::BadId { name, value: value.to_owned() });
                }
                return id;
            }
            None
        };
        Self { uid: first(["HERMES_UID", "PUID"]), gid: first(["HERMES_GID", "PGID"]) }
    }

    /// Tells if the operator requested an ID.
    pub(crate) fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// Parses a whole number from 1 to [`HIGHEST`], written in digits only.
fn id_of(value: &OsStr) -> Option<u32> {
    let text = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|id| (1..=HIGHEST).contains(id))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1", Some(1))]
    #[case("99", Some(99))]
    #[case("1000", Some(1000))]
    #[case("65534", Some(65534))]
    #[case("0", None)]
    #[case("65535", None)]
    #[case("4294967296", None)]
    #[case("99999999999999999999", None)]
    #[case("-1", None)]
    #[case("+1", None)]
    #[case(" 1", None)]
    #[case("1 ", None)]
    #[case("0x10", None)]
    #[case("abc", None)]
    fn id_is_a_number_from_1_to_65534(#[case] text: &str, #[case] expected: Option<u32>) {
        assert_eq!(id_of(OsStr::new(text)), expected);
    }

    #[test]
    fn hermes_variables_take_precedence_over_puid_and_pgid() {
        let wanted = |variables: Variables| RequestedIds::from(&variables, &mut Notices::default());
        let all = [("HERMES_UID", "1"), ("PUID", "2"), ("HERMES_GID", "3"), ("PGID", "4")];
        assert_eq!(wanted(all.into()), RequestedIds { uid: Some(1), gid: Some(3) });
        assert_eq!(
            wanted([("HERMES_UID", "1"), ("PGID", "4")].into()),
            RequestedIds { uid: Some(1), gid: Some(4) }
        );
        assert_eq!(
            wanted([("PUID", "99"), ("PGID", "100")].into()),
            RequestedIds { uid: Some(99), gid: Some(100) }
        );
        assert_eq!(
            wanted([("HERMES_UID", ""), ("PUID", "2")].into()),
            RequestedIds { uid: Some(2), gid: None }
        );
        assert!(!wanted([].into()).is_any());
    }

    #[test]
    fn invalid_id_is_refused_without_a_fallback() {
        let mut notices = Notices::default();
        let variables = [("HERMES_UID", "abc"), ("PUID", "2"), ("PGID", "0"), ("HERMES_GID", "")];
        assert_eq!(RequestedIds::from(&variables.into(), &mut notices), RequestedIds::default());
        insta::assert_snapshot!(notices.text(), @r#"
        HERMES_UID="abc" is refused: an ID is a whole number from 1 to 65534; the account keeps the one it has
        HERMES_GID is empty and taken as not set
        PGID="0" is refused: an ID is a whole number from 1 to 65534; the account keeps the one it has
        "#);
    }
}
