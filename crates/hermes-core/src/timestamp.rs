//! The format of every time in the product: RFC 3339, UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Formats a time with microseconds, as in `2026-11-23T19:00:00.123456Z`. A clock before 1970 gives 1970,
/// since a wrong clock must not cause a failure.
pub fn rfc3339(moment: SystemTime) -> String {
    humantime::format_rfc3339_micros(moment.max(UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_before_1970_is_shown_as_1970() {
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(5)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_micros(1_500_000)), "1970-01-01T00:00:01.500000Z");
    }
}
