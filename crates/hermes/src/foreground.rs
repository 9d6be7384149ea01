//! A gateway that somebody runs in the foreground, which no service manager can be told to stop.

use std::fs::{File, TryLockError};

use hermes_core::{Home, ProfileName};
use hermes_service::ServiceManager;

use crate::error::{CommandError, Exit};

/// Refuses where a gateway runs that would not be stopped: to take its directory away under it, or to start another beside it.
///
/// # Errors
/// There is such a gateway, or the service manager does not tell.
pub(crate) fn must_not_run(
    home: &Home,
    manager: &dyn ServiceManager,
    name: &ProfileName,
) -> Result<(), CommandError> {
    if !is_locked(home, name) || manager.is_running(name)? {
        return Ok(());
    }
    let pid = hermes_gateway::recorded_pid(home, name);
    let pid = pid.map(|pid| format!(" (PID {pid})")).unwrap_or_default();
    let what =
        format!("the gateway of '{name}' runs in the foreground{pid}, and not under a service manager");
    Err(CommandError::new(Exit::TryAgain, what)
        .hint("end it where it was started (Ctrl-C, or stop that container), then try again"))
}

/// Whether a process holds the gateway's lock. Shared: two that look at once do not see each other.
fn is_locked(home: &Home, name: &ProfileName) -> bool {
    let Ok(file) = File::open(home.gateway_lock(name)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}
