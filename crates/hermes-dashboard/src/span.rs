//! A time as a person reads it.

use std::time::Duration;

/// A time as a person reads it, in at most two units, as in `3h 20m`.
pub(crate) fn span(seconds: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
