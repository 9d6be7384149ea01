//! Putting a slot under supervision while `s6-svscan` runs, and taking it away.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use hermes_core::{BootAction, ProfileName};
use hermes_os::lock_file;
use hermes_os::waiting;

use super::backend::S6;
use super::slot::SlotError;
use super::status::{exists, is_supervised};
use crate::error::ServiceError;
use crate::manager::Wait;
use hermes_os::tool::ToolError;

/// How long `s6-svscan` has to take a slot up, or to let it go. It takes milliseconds; more than a second under heavy load.
const TAKES_UP: Duration = Duration::from_secs(20);

impl S6 {
    /// Makes the slot of `profile` and waits until it is supervised. One that is there already is left alone.
    pub(super) fn register(&self, profile: &ProfileName, action: BootAction) -> Result<(), ServiceError> {
        let file_error = |error: SlotError| error.of("register", profile);
        let maker = self.slot_maker().map_err(file_error)?;
        let slot = maker.path(profile);
        self.wait_for_the_tree(profile)?;
        let lock = self.lock().map_err(file_error)?;
        let made = maker.make(profile, action).map_err(file_error)?;
        if !made && is_up_and_running(&slot) {
            return Ok(());
        }
        let taken_up = self.rescan("-a").map_err(|source| ServiceError::Tool {
            operation: "register",
            profile: profile.clone(),
            source,
        });
        let taken_up =
            taken_up.and_then(|()| wait_until(profile, "supervised", TAKES_UP, || is_up_and_running(&slot)));
        // What was there before is somebody else's: a boot's, above all.
        if taken_up.is_err() && made {
            // Whatever comes of it: the first failure is the one to tell.
            let _ = self.put_away(profile);
        }
        drop(lock);
        taken_up
    }

    /// Stops the gateway of `profile`, and leaves nothing of its slot.
    pub(super) fn unregister(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let maker = self.slot_maker().map_err(|error| error.of("unregister", profile))?;
        let slot = maker.path(profile);
        self.wait_for_the_tree(profile)?;
        if is_supervised(&slot) {
            self.take_down(profile, Wait::AtMost(self.longest_stop(&slot)))?;
        }
        let _lock = self.lock().map_err(|error| error.of("unregister", profile))?;
        self.put_away(profile)
    }

    /// Hides the slot, makes `s6-svscan` let it go, and removes it.
    fn put_away(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let file_error = |error: SlotError| error.of("unregister", profile);
        let maker = self.slot_maker().map_err(file_error)?;
        let Some(hidden) = maker.hide(profile).map_err(file_error)? else { return Ok(()) };
        // The supervisors of what is no longer there are told to end: of the slot and of its logger.
        let let_go = self.rescan("-an").map_err(|source| ServiceError::Tool {
            operation: "unregister",
            profile: profile.clone(),
            source,
        });
        let let_go = let_go.and_then(|()| {
            let gone = || !is_supervised(&hidden) && !is_supervised(&hidden.join("log"));
            wait_until(profile, "unsupervised", TAKES_UP, gone)
        });
        maker.remove(&hidden).map_err(file_error)?;
        let_go
    }

    fn rescan(&self, how: &str) -> Result<(), ToolError> {
        self.tool("s6-svscanctl").args([how, "--"]).arg(self.scandir()).run().map(drop)
    }

    /// Keeps a registration and an unregistration of one slot apart. Ends with the process.
    fn lock(&self) -> Result<File, SlotError> {
        let path = self.scandir().join(".lock");
        let failed = |source| SlotError { operation: "lock", path: path.clone(), source };
        let file = lock_file::open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }
}

/// Whether both the slot and its logger are supervised and have written their state: `s6-supervise` listens a moment earlier.
pub(super) fn is_up_and_running(slot: &Path) -> bool {
    [slot.to_owned(), slot.join("log")]
        .iter()
        .all(|directory| is_supervised(directory) && exists(&directory.join("supervise/status")))
}

/// How long one look at what s6 offers nothing to wait on may be after the other.
pub(super) const LOOK: Duration = Duration::from_millis(2);

/// Waits for what s6 offers nothing to wait on: that a supervisor is there, or gone.
///
/// # Errors
/// It is not in time.
pub(super) fn wait_until(
    profile: &ProfileName,
    awaited: &'static str,
    limit: Duration,
    is_so: impl Fn() -> bool,
) -> Result<(), ServiceError> {
    if waiting::until(limit, LOOK, is_so) {
        return Ok(());
    }
    Err(ServiceError::TimedOut { profile: profile.clone(), awaited, limit })
}
