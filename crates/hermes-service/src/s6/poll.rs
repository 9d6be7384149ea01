//! Waits for states of s6 that no notification announces.

use std::time::Duration;

use hermes_core::ProfileName;
use hermes_os::waiting;

use crate::error::ServiceError;

/// The longest time between two checks for a state of s6 without a notification.
pub(super) const POLL: Duration = Duration::from_millis(2);

/// Waits for a state of s6 without a notification, such as the presence of a supervisor.
///
/// # Errors
/// Fails at the limit.
pub(super) fn wait_until(
    profile: &ProfileName,
    awaited: &'static str,
    limit: Duration,
    is_so: impl Fn() -> bool,
) -> Result<(), ServiceError> {
    if waiting::until(limit, POLL, is_so) {
        return Ok(());
    }
    Err(ServiceError::TimedOut { profile: profile.clone(), awaited, limit })
}
