//! The s6 backend: the slots of one scan directory, driven by s6's own programs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use hermes_core::{Home, ProfileName};
use hermes_os::tool::{Tool, ToolError};
use hermes_os::waiting;
use hermes_os::whole_file::{self, WriteError};

use super::crashes::Crashes;
use super::poll::{POLL, wait_until};
use super::scandir::SCANDIR;
use super::slot::{IMAGE_PARTS, SlotError, SlotMaker};
use super::status::{StatusError, exists, is_fully_supervised, is_scanned, slot_state};
use crate::error::{ServiceError, Task};
use crate::manager::Wait;

/// The directory of s6's programs in the image, independent of `PATH`.
const TOOLS: &str = "/command";

/// The time that a program of s6 may take beyond its own limit.
pub(super) const MARGIN: Duration = Duration::from_secs(5);

/// The time in which `s6-svscan` must start. The boot warns about a script that takes longer.
const SVSCAN_LIMIT: Duration = Duration::from_secs(20);

/// The longest time between two checks for a new process.
const PROCESS_POLL: Duration = Duration::from_millis(5);

/// The time in which a listening `s6-svscan` must supervise the existing slots.
const FIRST_SCAN_LIMIT: Duration = Duration::from_secs(1);

/// The time from the end of the drain to the kill: for the last output and the final state on a slow disk.
const DRAIN_MARGIN: Duration = Duration::from_secs(3);

/// The time limit for slots without one. It exceeds the longest `gateway.drain_timeout`.
const LONGEST_STOP: Duration = Duration::from_secs(2 * 3600);

/// The scan directory of the account, and the paths of s6's programs.
#[derive(Clone, Debug)]
pub struct S6 {
    home: Home,
    scandir: PathBuf,
    tools: PathBuf,
    parts: PathBuf,
}

impl S6 {
    /// Creates the backend for a container of the hermes image.
    pub fn of_the_image(home: Home) -> Self {
        Self::new(home, SCANDIR, TOOLS, IMAGE_PARTS)
    }

    /// Creates a backend for `scandir`. s6's programs lie in `tools`, and the targets of the links in a slot
    /// in `parts`.
    pub fn new(
        home: Home,
        scandir: impl Into<PathBuf>,
        tools: impl Into<PathBuf>,
        parts: impl Into<PathBuf>,
    ) -> Self {
        Self { home, scandir: scandir.into(), tools: tools.into(), parts: parts.into() }
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// Returns the scan directory.
    pub fn scandir(&self) -> &Path {
        &self.scandir
    }

    /// Returns a maker of slots in the scan directory.
    ///
    /// # Errors
    /// Fails if the scan directory cannot be opened.
    pub fn slot_maker(&self) -> Result<SlotMaker, SlotError> {
        SlotMaker::new(&self.scandir, &self.parts)
    }

    /// Returns the path of the slot of `profile`, which may not exist.
    pub fn slot(&self, profile: &ProfileName) -> PathBuf {
        self.scandir.join(profile.gateway_slot_name())
    }

    /// Returns the record of the crashes of `profile`'s gateway; an empty one if it cannot be read.
    pub fn crashes(&self, profile: &ProfileName) -> Crashes {
        Crashes::load(&self.slot(profile)).unwrap_or_default()
    }

    /// Starts the logger of a slot if its `down` file keeps it down, as in a slot that was registered down.
    ///
    /// # Errors
    /// Fails if s6-svc(8) fails.
    pub fn start_logger(&self, slot: &Path) -> Result<(), ToolError> {
        let logger = slot.join("log");
        if !exists(&logger.join("down")) {
            return Ok(());
        }
        self.tool("s6-svc").args(["-U", "--"]).arg(logger).run().map(drop)
    }

    /// Sets the time from SIGTERM to SIGKILL for a slot: the drain time-out plus a margin.
    ///
    /// # Errors
    /// Fails if `timeout-kill` (servicedir(7)) cannot be written.
    pub fn set_time_to_end(&self, slot: &Path, drain_timeout: Duration) -> Result<(), WriteError> {
        let path = slot.join("timeout-kill");
        let millis = format!("{}\n", (drain_timeout + DRAIN_MARGIN).as_millis());
        // The file of the image, the target of the link, has the usual value.
        if std::fs::read_to_string(&path).is_ok_and(|text| text == millis) {
            return Ok(());
        }
        // The path is a link into the image. A new file replaces it.
        let _ = std::fs::remove_file(&path);
        whole_file::write_for_now(&path, millis.as_bytes(), 0o644)
    }

    pub(super) fn tool(&self, name: &str) -> Tool {
        Tool::new(self.tools.join(name))
    }

    /// Returns the state of the slot of `profile`, as s6-svstat(1) reports it; `None` if it is not
    /// supervised.
    pub(super) fn state(&self, profile: &ProfileName) -> Result<Option<super::SlotState>, ServiceError> {
        match slot_state(&self.slot(profile), SystemTime::now()) {
            Ok(state) => Ok(Some(state)),
            Err(StatusError::NotSupervised(_)) => Ok(None),
            Err(source) => Err(ServiceError::Status { profile: profile.clone(), source }),
        }
    }

    /// Waits for the supervision of a slot. A slot without a supervisor must not pass for a stopped gateway.
    pub(super) fn wait_until_registered(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let slot = self.slot(profile);
        if is_fully_supervised(&slot) {
            return Ok(());
        }
        self.wait_for_svscan(profile)?;
        // `s6-svscan` listens before it supervises the existing slots.
        if exists(&slot) && waiting::until(FIRST_SCAN_LIMIT, POLL, || is_fully_supervised(&slot)) {
            return Ok(());
        }
        Err(ServiceError::NoSuchGateway { profile: profile.clone() })
    }

    /// Waits until `s6-svscan` runs on the scan directory. A boot makes the slots earlier, and a killed tree
    /// is started again.
    ///
    /// # Errors
    /// Fails after a time limit.
    pub(super) fn wait_for_svscan(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        wait_until(profile, "supervised", SVSCAN_LIMIT, || is_scanned(&self.scandir))
    }

    pub(super) fn forget_crashes(&self, task: Task<'_>) -> Result<(), ServiceError> {
        let slot = self.slot(task.profile);
        Crashes::forget(&slot).map_err(task.file_failed(&slot))
    }

    /// Calls s6-svc(8) with orders and the awaited event.
    pub(super) fn order(
        &self,
        task: Task<'_>,
        orders: &[&str],
        awaited: Awaited,
        wait: Wait,
    ) -> Result<(), ServiceError> {
        let profile = task.profile;
        let mut tool = self.tool("s6-svc").args(orders);
        let limit = match wait {
            Wait::No => None,
            Wait::AtMost(limit) => {
                // A time-out of 0 means no limit.
                let millis = limit.as_millis().clamp(1, i32::MAX.unsigned_abs().into());
                tool = tool.args([awaited.flag(), "-T", &millis.to_string()]).limit(limit + MARGIN);
                Some(limit)
            }
        };
        let began = Instant::now();
        let result = tool.arg("--").arg(self.slot(profile)).run();
        let Err(source) = result else { return Ok(()) };
        if let Some(limit) = limit {
            if let Some(reason) = self.crashes(profile).gave_up.filter(|_| awaited != Awaited::Down) {
                return Err(ServiceError::GaveUp { profile: profile.clone(), reason });
            }
            // s6-svlisten1(1) exits 99 at its limit, and 111 before it listens.
            if began.elapsed() >= limit {
                return Err(ServiceError::TimedOut {
                    profile: profile.clone(),
                    awaited: awaited.word(),
                    limit,
                });
            }
        }
        Err(task.tool_failed(source))
    }

    /// Gives orders that replace the process `former`, and waits until the new process is ready. `s6-svc -wR`
    /// does not work here. If s6-svlisten1(1) reads the end and the new start in one step, it waits for the
    /// end for ever.
    pub(super) fn order_another(
        &self,
        task: Task<'_>,
        orders: &[&str],
        former: Option<u32>,
        wait: Wait,
    ) -> Result<(), ServiceError> {
        let profile = task.profile;
        self.order(task, orders, Awaited::Ready, Wait::No)?;
        let Some(limit) = wait.limit() else { return Ok(()) };
        let mut ended =
            Err(ServiceError::TimedOut { profile: profile.clone(), awaited: Awaited::Ready.word(), limit });
        waiting::until(limit, PROCESS_POLL, || {
            let found = match self.state(profile) {
                Ok(Some(state)) if state.ready && state.pid != former => Ok(()),
                Ok(Some(state)) if !state.up && !state.desired_up => match self.crashes(profile).gave_up {
                    Some(reason) => Err(ServiceError::GaveUp { profile: profile.clone(), reason }),
                    None => return false,
                },
                Ok(Some(_)) => return false,
                Ok(None) => Err(ServiceError::NoSuchGateway { profile: profile.clone() }),
                Err(error) => Err(error),
            };
            ended = found;
            true
        });
        ended
    }

    pub(super) fn take_down(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        self.order(Task::new("stop", profile), &["-D"], Awaited::Down, wait)
    }

    /// Returns the longest time that s6 gives the gateway of a slot to end: `timeout-kill` plus a margin.
    pub(super) fn longest_stop(&self, slot: &Path) -> Duration {
        let text = std::fs::read_to_string(slot.join("timeout-kill")).ok();
        let millis: Option<u64> = text.and_then(|text| text.trim().parse().ok());
        millis.filter(|&millis| millis > 0).map_or(LONGEST_STOP, Duration::from_millis) + MARGIN
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    Ready,
    Down,
}

impl Awaited {
    fn flag(self) -> &'static str {
        match self {
            Self::Ready => "-wU",
            Self::Down => "-wD",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Down => "down",
        }
    }
}
