//! A gateway that somebody runs in the foreground, which no service manager can be told to stop.

use std::fs::{File, TryLockError};

use hermes_core::{Home, ProfileName};
use hermes_os::lock_file;
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
    if !runs_unsupervised(|| manager.is_running(name), || is_locked(home, name))? {
        return Ok(());
    }
    let pid = hermes_gateway::recorded_pid(home, name);
    let pid = pid.map(|pid| format!(" (PID {pid})")).unwrap_or_default();
    let what =
        format!("the gateway of '{name}' runs in the foreground{pid}, and not under a service manager");
    Err(CommandError::new(Exit::TryAgain, what)
        .hint("end it where it was started (Ctrl-C, or stop that container), then try again"))
}

/// How often both are asked: what comes or goes between the two questions is neither supervised nor alone for them.
const LOOKS: usize = 3;

/// Whether a gateway runs that the service manager does not know. A lock is looked for only where it runs none: a gateway that
/// starts wants the lock for itself.
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

/// Whether a process holds the gateway's lock. Shared: two that look at once do not see each other.
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
    fn a_supervised_gateway_that_comes_or_goes_between_two_questions_is_not_taken_for_one_in_the_foreground()
    {
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
