//! The keeper of the volume's lease: it holds the lease for this container, or waits until the lease is free.
//!
//! It is the service `volume-lease` of a container. When it gains the lease it starts the gateways that are to run. When it loses
//! the lease it stops all gateways; their desired states stay.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::Duration;

use hermes_core::boot::record::{BOOT_JSON, BootRecord};
use hermes_core::lease::{Acquire, BEAT, Held, LeaseError, Obstacle, Renewal, VolumeLease};
use hermes_core::{BootAction, StateFile, action_at_boot, chain};
use hermes_os::waiting;
use hermes_service::Wait;

use crate::lease_note::{LeaseNote, NoteFile, OtherHolder};
use crate::operations::Operations;
use crate::report::{Report, is_read_only};

/// The time between two looks at the lease of another container.
const LOOK: Duration = Duration::from_secs(1);
/// The time after a take-over from a holder that gave no sign of life. Another container may take over at the same moment, and the
/// later one holds the lease.
const SETTLES: Duration = Duration::from_secs(2);
/// The longest time between two looks at the last gateways that end.
const ENDING: Duration = Duration::from_millis(10);
/// The time between two looks for the end of the boot.
const COMPLETE: Duration = Duration::from_millis(100);
/// The time after the start in which the end of the boot is looked for that often. A longer boot waits for a service, and is looked for
/// at each beat.
const COMPLETES: Duration = Duration::from_secs(300);
/// The time that the gateways have to end before the lease is released all the same.
const ENDS: Duration = Duration::from_secs(3600);

/// The time, and the order to stop.
pub trait Clock {
    /// The time since some moment in the past. It never goes back.
    fn now(&self) -> Duration;

    /// Lets the time pass, unless the order to stop comes or has come.
    ///
    /// # Errors
    /// The order cannot be waited for.
    fn pause(&self, time: Duration) -> Result<Pause, Report>;
}

/// The end of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The time has passed.
    Passed,
    /// The order to stop has come.
    Stopped,
}

/// The end of a wait for the lease of another container.
enum Waited {
    Held(Held),
    Stopped,
}

/// The end of a time with the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Lost,
    Stopped,
}

/// The keeper.
pub struct LeaseKeeper<'k> {
    operations: &'k Operations,
    lease: VolumeLease,
    notes: NoteFile,
    clock: &'k dyn Clock,
    /// The record of this container's boot.
    boot_json: PathBuf,
    /// The last failure that was told. It is told once, and its end too.
    trouble: RefCell<Option<String>>,
    began: Duration,
    /// `true` when the volume keeps this boot, or cannot.
    boot_is_kept: Cell<bool>,
}

impl<'k> LeaseKeeper<'k> {
    /// A keeper of `lease`, for the gateways of `operations`.
    pub fn new(operations: &'k Operations, lease: VolumeLease, clock: &'k dyn Clock) -> Self {
        Self {
            operations,
            lease,
            notes: NoteFile::of_this_container(),
            boot_json: BOOT_JSON.into(),
            trouble: RefCell::default(),
            began: clock.now(),
            boot_is_kept: Cell::new(false),
            clock,
        }
    }

    /// Keeps the lease until the order to stop comes. `was_held` tells if this boot held it at reconciliation.
    ///
    /// # Errors
    /// The note cannot be written, or the order cannot be waited for.
    pub fn keep(&self, mut was_held: bool) -> Result<(), Report> {
        let mut acquired = self.lease.take();
        // The boot has reported a read-only volume; from then on a change is news.
        if let Err(error) = &acquired
            && is_read_only(error)
        {
            self.trouble.replace(Some(chain(error)));
        }
        loop {
            let held = match self.tell(acquired) {
                // A full disk, or a volume that is away: the next beat tries again.
                None => match self.clock.pause(BEAT)? {
                    Pause::Passed => {
                        acquired = self.lease.take();
                        continue;
                    }
                    Pause::Stopped => return Ok(()),
                },
                Some(Acquire::Held(held)) => held,
                Some(Acquire::Obstacle(obstacle)) => {
                    self.leave_to(&obstacle, was_held)?;
                    match self.wait_for(obstacle)? {
                        Waited::Held(held) => held,
                        Waited::Stopped => return Ok(()),
                    }
                }
            };
            if self.notes.read().is_none_or(|note| note.other.is_some()) {
                self.note(None)?;
                self.operations.progress().say(
                    "this container has the volume now: starting the gateways whose desired state is running",
                );
                self.start_gateways();
            }
            was_held = true;
            if self.hold(held)? == Hold::Stopped {
                return Ok(());
            }
            acquired = self.lease.take();
        }
    }

    /// Beats until another container holds the lease, or the order to stop comes.
    fn hold(&self, mut held: Held) -> Result<Hold, Report> {
        loop {
            if self.pause_and_keep_boot(BEAT)? == Pause::Stopped {
                self.wait_until_no_gateway_is_up();
                self.tell(self.lease.give_back(held));
                return Ok(Hold::Stopped);
            }
            // The lock is still held if the beat cannot be written.
            if let Some(Renewal::Lost(obstacle)) = self.tell(self.lease.renew(&mut held)) {
                drop(held);
                self.leave_to(&obstacle, true)?;
                return Ok(Hold::Lost);
            }
        }
    }

    /// Records that another container holds the lease, and stops the gateways here. Their desired states stay.
    fn leave_to(&self, obstacle: &Obstacle, was_held: bool) -> Result<(), Report> {
        let other = OtherHolder::of(obstacle);
        if was_held {
            let line = format!("{}; no gateway is started here until it is free", other.describe());
            self.operations.progress().note(&line);
        }
        self.note(Some(other))?;
        if was_held {
            let manager = self.operations.manager();
            for profile in manager.list_profile_gateways()? {
                if let Err(error) = manager.stop(&profile, Wait::No) {
                    self.operations.progress().failed(&error.into());
                }
            }
        }
        Ok(())
    }

    /// Looks until the lease is free, or until its holder has given no sign of life for the time that its lease states.
    fn wait_for(&self, mut seen: Obstacle) -> Result<Waited, Report> {
        let mut since = self.clock.now();
        loop {
            if self.clock.pause(LOOK)? == Pause::Stopped {
                return Ok(Waited::Stopped);
            }
            let is_dead = self.clock.now().saturating_sub(since) >= seen.ttl();
            let acquired = if is_dead { self.lease.take_over(&seen) } else { self.lease.take() };
            match self.tell(acquired) {
                None => {}
                Some(Acquire::Held(mut held)) => {
                    if is_dead {
                        if self.clock.pause(SETTLES)? == Pause::Stopped {
                            self.tell(self.lease.give_back(held));
                            return Ok(Waited::Stopped);
                        }
                        if let Some(Renewal::Lost(other)) = self.tell(self.lease.renew(&mut held)) {
                            (seen, since) = (other, self.clock.now());
                            continue;
                        }
                    }
                    return Ok(Waited::Held(held));
                }
                Some(Acquire::Obstacle(obstacle)) => {
                    if obstacle.has_moved_since(&seen) {
                        since = self.clock.now();
                        let holder =
                            |obstacle: &Obstacle| obstacle.lease.as_ref().map(|lease| lease.holder.clone());
                        if holder(&obstacle) != holder(&seen) {
                            self.note(Some(OtherHolder::of(&obstacle)))?;
                        }
                    }
                    seen = obstacle;
                }
            }
        }
    }

    /// Returns the success; `None` for a failure, which is told if it is news.
    fn tell<T>(&self, result: Result<T, LeaseError>) -> Option<T> {
        let news = result.as_ref().err().map(|error| chain(error));
        let before = self.trouble.replace(news.clone());
        let progress = self.operations.progress();
        match news {
            Some(what) if before.as_ref() != Some(&what) => progress.note(&format!(
                "failed to keep the lease of the volume: {what}; look whether {} has room and is writable",
                self.operations.home().root().display()
            )),
            None if before.is_some() => progress.say("the lease of the volume is kept again"),
            _ => {}
        }
        result.ok()
    }

    /// Lets the time pass. Meanwhile the volume gets the record of this boot, when the boot is complete.
    fn pause_and_keep_boot(&self, time: Duration) -> Result<Pause, Report> {
        let deadline = self.clock.now() + time;
        while !self.boot_is_kept.get() {
            self.keep_boot();
            let left = deadline.saturating_sub(self.clock.now());
            if left.is_zero() || self.boot_is_kept.get() {
                break;
            }
            let is_early = self.clock.now().saturating_sub(self.began) < COMPLETES;
            let look = if is_early { COMPLETE } else { BEAT };
            if self.clock.pause(left.min(look))? == Pause::Stopped {
                self.keep_boot();
                return Ok(Pause::Stopped);
            }
        }
        self.clock.pause(deadline.saturating_sub(self.clock.now()))
    }

    /// Adds this boot to those that the volume keeps, if it is complete. Only the holder of the lease does it: two containers would
    /// write the same file.
    fn keep_boot(&self) {
        if self.boot_is_kept.get() {
            return;
        }
        let kept = BootRecord::load(&self.boot_json).and_then(|boot| match boot {
            Some(boot) => boot.keep(self.operations.home()).map(|()| true),
            None => Ok(false),
        });
        match kept {
            Ok(kept) => self.boot_is_kept.set(kept),
            Err(error) => {
                self.boot_is_kept.set(true);
                // The boot has reported a read-only volume.
                if !is_read_only(&error) {
                    let line = format!("this boot is not remembered: {}", chain(&error));
                    self.operations.progress().note(&line);
                }
            }
        }
    }

    fn note(&self, other: Option<OtherHolder>) -> Result<(), Report> {
        self.notes.write(&LeaseNote { instance: self.lease.me().instance.clone(), other })
    }

    /// Starts the gateways whose desired state is running.
    fn start_gateways(&self) {
        let (home, progress) = (self.operations.home(), self.operations.progress());
        let profiles = match home.profiles() {
            Ok(profiles) => profiles.names,
            Err(error) => return progress.failed(&error.into()),
        };
        for profile in profiles {
            if action_at_boot(&StateFile::of(home, &profile).read()) == BootAction::Start
                && let Err(error) = self.operations.manager().start(&profile, Wait::No)
            {
                progress.failed(&error.into());
            }
        }
    }

    /// Waits for the gateways. At a stop of the container they end at the same time as this service; the next container must not start
    /// before.
    fn wait_until_no_gateway_is_up(&self) {
        let manager = self.operations.manager();
        waiting::until(ENDS, ENDING, || {
            let profiles = manager.list_profile_gateways().unwrap_or_default();
            !profiles.iter().any(|profile| manager.is_running(profile).unwrap_or(false))
        });
    }
}

#[cfg(test)]
#[path = "lease_keeper_tests.rs"]
mod tests;
