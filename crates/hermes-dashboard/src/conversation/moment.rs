//! Times of messages and sessions.

use std::time::{Duration, UNIX_EPOCH};

use hermes_core::timestamp;

use crate::pages::moment;

/// Formats milliseconds since 1970.
pub(super) fn moment_of(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    moment(&timestamp::rfc3339(UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)))
}
