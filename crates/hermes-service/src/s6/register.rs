//! Registers and unregisters slots while `s6-svscan` runs.

use std::fs::File;
use std::time::Duration;

use hermes_core::{BootAction, ProfileName};
use hermes_os::lock_file;
use hermes_os::tool::ToolError;

use super::backend::S6;
use super::poll::wait_until;
use super::slot::SlotError;
use super::status::{is_fully_supervised, is_supervised};
use crate::error::{ServiceError, Task};
use crate::manager::Wait;

/// The time in which `s6-svscan` must start or end the supervision of a slot. It needs milliseconds; more
/// than a second under heavy load.
const RESCAN_LIMIT: Duration = Duration::from_secs(20);

impl S6 {
    /// Makes the slot of `profile` and waits until it is supervised. Does nothing if it is.
    pub(super) fn register(&self, profile: &ProfileName, action: BootAction) -> Result<(), ServiceError> {
        let task = Task::new("register", profile);
        let file_error = |error| task.slot_failed(error);
        let maker = self.slot_maker().map_err(file_error)?;
        let slot = maker.path(profile);
        self.wait_for_svscan(profile)?;
        let lock = self.lock().map_err(file_error)?;
        let made = maker.make(profile, action).map_err(file_error)?;
        if !made && is_fully_supervised(&slot) {
            return Ok(());
        }
        let taken_up = self.rescan("-a").map_err(|error| task.tool_failed(error));
        let taken_up = taken_up
            .and_then(|()| wait_until(profile, "supervised", RESCAN_LIMIT, || is_fully_supervised(&slot)));
        // An existing slot belongs to a boot or another registration.
        if taken_up.is_err() && made {
            // The first error is the one to report.
            let _ = self.hide_and_remove(profile);
        }
        drop(lock);
        taken_up
    }

    /// Stops the gateway of `profile` and removes its slot.
    pub(super) fn unregister(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let task = Task::new("unregister", profile);
        let maker = self.slot_maker().map_err(|error| task.slot_failed(error))?;
        let slot = maker.path(profile);
        self.wait_for_svscan(profile)?;
        if is_supervised(&slot) {
            self.take_down(profile, Wait::AtMost(self.longest_stop(&slot)))?;
        }
        let _lock = self.lock().map_err(|error| task.slot_failed(error))?;
        self.hide_and_remove(profile)
    }

    /// Hides the slot, makes `s6-svscan` drop it, and removes it.
    fn hide_and_remove(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let task = Task::new("unregister", profile);
        let file_error = |error| task.slot_failed(error);
        let maker = self.slot_maker().map_err(file_error)?;
        let Some(hidden) = maker.hide(profile).map_err(file_error)? else { return Ok(()) };
        // `-n` makes `s6-svscan` end the supervisors of the hidden slot and of its logger.
        let let_go = self.rescan("-an").map_err(|error| task.tool_failed(error));
        let let_go = let_go.and_then(|()| {
            let gone = || !is_supervised(&hidden) && !is_supervised(&hidden.join("log"));
            wait_until(profile, "unsupervised", RESCAN_LIMIT, gone)
        });
        maker.remove(&hidden).map_err(file_error)?;
        let_go
    }

    fn rescan(&self, how: &str) -> Result<(), ToolError> {
        self.tool("s6-svscanctl").args([how, "--"]).arg(self.scandir()).run().map(drop)
    }

    /// Takes the lock that separates registrations and unregistrations. It ends with the process.
    fn lock(&self) -> Result<File, SlotError> {
        let path = self.scandir().join(".lock");
        let failed = |source| SlotError { operation: "lock", path: path.clone(), source };
        let file = lock_file::open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }
}
