//! The values of a variable that mean yes.

use std::ffi::OsStr;

/// Returns `true` for `1`, `true` and `yes` in any case. Any other value, including a typo, means no.
pub fn is_truthy(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| ["1", "true", "yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes)))
}
