//! Which values of a variable mean yes.

use std::ffi::OsStr;

/// `1`, `true` or `yes`, in any case; everything else, typos included, means no.
pub fn is_truthy(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| ["1", "true", "yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes)))
}
