//! A gateway that runs in the foreground: no service manager can stop it.

use std::fs::{File, TryLockError};

use hermes_core::gateway::pid;
use hermes_core::{Home, ProfileName};
use hermes_os::lock_file;
use hermes_service::ServiceManager;

use crate::report::{Report, ReportKind};

/// Fails if a gateway runs that would not be stopped: its directory must not be removed, and no other one started beside it.
///
/// # Errors
/// There is such a gateway, or the service manager does not tell.
pub(crate) fn must_not_run(
    home: &Home,
    manager: &dyn ServiceManager,
    name: &ProfileName,
) -> Result<(), Report> {
    if !runs_unsupervised(|| manager.is_running(name), || is_locked(home, name))? {
        return Ok(());
    }
    let pid = pid::recorded(home, name);
    let pid = pid.map(|pid| format!(" (PID {pid})")).unwrap_or_default();
    let what =
        format!("the gateway of '{name}' runs in the foreground{pid}, and not under a service manager");
    Err(Report::new(ReportKind::TryAgain, what)
        .hint("end it where it was started (Ctrl-C, or stop that container), then try again"))
}

/// The number of times that both are asked. A gateway that starts or ends between the two questions looks unsupervised once.
const LOOKS: usize = 3;

/// Returns `true` if a gateway runs that the service manager does not know. Looks for a lock only if the service manager runs none: a
/// gateway that starts wants the lock for itself.
fn runs_unsupervised<E>(
    mut is_running: impl FnMut() -> Result<bool, E>,
    mut is_locked: impl FnMut() -> bool,
) -> Result<bool, E> {
    for _ in 0..LOOKS {
        if is_running()? || !is_locked() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns `true` if a process holds the gateway's lock. Tries a shared lock: two that look at once do not see each other.
fn is_locked(home: &Home, name: &ProfileName) -> bool {
    let path = home.gateway_lock(name);
    let Ok(mut file) = File::open(&path) else { return false };
    matches!(lock_file::try_lock_shared(&path, &mut file), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;

    /// A supervised gateway that is up during some of the questions, and holds its lock then.
    #[test]
    fn a_supervised_gateway_is_never_taken_for_one_in_the_foreground() {
        for changes_at in 0..5 {
            for begins_up in [true, false] {
                let asked = Cell::new(0);
                let is_up = || begins_up == (asked.replace(asked.get() + 1) < changes_at);
                let found = runs_unsupervised(|| Ok::<_, Infallible>(is_up()), is_up).unwrap();
                assert!(!found, "up at first: {begins_up}, changed after {changes_at} questions");
            }
        }
        assert!(runs_unsupervised(|| Ok::<_, Infallible>(false), || true).unwrap());
    }
}
