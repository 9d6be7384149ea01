//! A gateway that somebody runs in the foreground, which no service manager can be told to stop.

use std::fs::{File, TryLockError};

use hermes_core::{Home, ProfileName};
use hermes_service::ServiceManager;

use crate::error::{CommandError, Exit};

/// Refuses to take the directory away under a gateway that runs and would not be stopped.
///
/// # Errors
/// There is such a gateway, or the service manager does not tell.
pub(super) fn must_not_run(
    home: &Home,
    manager: &dyn ServiceManager,
    name: &ProfileName,
) -> Result<(), CommandError> {
    if !is_locked(home, name) || manager.is_running(name)? {
        return Ok(());
    }
    Err(CommandError::new(
        Exit::TryAgain,
        format!("the gateway of '{name}' runs, and not under a service manager"),
    )
    .hint("end it where it was started (Ctrl-C), then try again"))
}

/// Whether a process holds the gateway's lock. Shared: two that look at once do not see each other.
fn is_locked(home: &Home, name: &ProfileName) -> bool {
    let Ok(file) = File::open(home.gateway_lock(name)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}
