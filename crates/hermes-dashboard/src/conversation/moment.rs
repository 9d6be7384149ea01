//! Times of messages and sessions.

use std::time::{Duration, UNIX_EPOCH};

use hermes_core::timestamp;

/// Formats milliseconds since 1970 (RFC 3339, UTC).
pub(super) fn moment_of(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    timestamp::rfc3339(UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH))
}
