//! s6 as the service manager of a container: what is done with a slot is done with s6's own programs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use hermes_core::{Home, ProfileName, StateFile, action_at_boot};
use hermes_os::waiting;
use hermes_os::whole_file::{self, WriteError};

use super::crashes::Crashes;
use super::register::{LOOK, is_up_and_running, wait_until};
use super::scandir::{self, SCANDIR};
use super::slot::{IMAGE_PARTS, SlotError, SlotMaker};
use super::status::{StatusError, exists, is_scanned, slot_state};
use crate::error::ServiceError;
use crate::manager::{Kind, ServiceManager, ServiceStatus, Wait};
use hermes_os::tool::{Tool, ToolError};

/// Where the image has s6's programs, whatever `PATH` says.
const TOOLS: &str = "/command";

/// What a program of s6's may take beyond the time that it was told.
const MARGIN: Duration = Duration::from_secs(5);

/// How long `s6-svscan` may be on its way. A script of the boot that takes longer is told of.
const TREE: Duration = Duration::from_secs(20);

/// Between two looks for a process that takes another's place.
const LONGEST_LOOK: Duration = Duration::from_millis(5);

/// How long it has, once it listens, to take up the slots that are there.
const FIRST_SCAN: Duration = Duration::from_secs(1);

/// From the end of the drain to the kill: for the last words, and the final state on a slow disk.
const DRAIN_MARGIN: Duration = Duration::from_secs(3);

/// What s6 is told to wait where a slot names no limit of its own. Longer than `gateway.drain_timeout` can be.
const LONGEST_STOP: Duration = Duration::from_secs(2 * 3600);

/// The scan directory of the account, and the programs to drive it.
#[derive(Clone, Debug)]
pub struct S6 {
    home: Home,
    scandir: PathBuf,
    tools: PathBuf,
    parts: PathBuf,
}

impl S6 {
    /// The one of a container of the hermes image.
    pub fn of_the_image(home: Home) -> Self {
        Self::new(home, SCANDIR, TOOLS, IMAGE_PARTS)
    }

    /// One on the scan directory `scandir`, with s6's programs in `tools` and what the slots link to in `parts`.
    pub fn new(
        home: Home,
        scandir: impl Into<PathBuf>,
        tools: impl Into<PathBuf>,
        parts: impl Into<PathBuf>,
    ) -> Self {
        Self { home, scandir: scandir.into(), tools: tools.into(), parts: parts.into() }
    }

    /// The scan directory.
    pub fn scandir(&self) -> &Path {
        &self.scandir
    }

    /// Makes slots in it.
    ///
    /// # Errors
    /// The scan directory cannot be opened.
    pub fn slot_maker(&self) -> Result<SlotMaker, SlotError> {
        SlotMaker::new(&self.scandir, &self.parts)
    }

    /// The slot of `profile`, whether or not it is there.
    pub fn slot(&self, profile: &ProfileName) -> PathBuf {
        self.scandir.join(profile.gateway_slot_name())
    }

    /// What is known of the crashes of `profile`'s gateway; nothing where that cannot be read.
    pub fn crashes(&self, profile: &ProfileName) -> Crashes {
        Crashes::load(&self.slot(profile)).unwrap_or_default()
    }

    /// Brings the logger of a slot up, where it is kept down: that of a slot that is registered down is.
    ///
    /// # Errors
    /// s6 does not do it.
    pub fn start_logger(&self, slot: &Path) -> Result<(), ToolError> {
        let logger = slot.join("log");
        if !exists(&logger.join("down")) {
            return Ok(());
        }
        self.tool("s6-svc").args(["-U", "--"]).arg(logger).run().map(drop)
    }

    /// Tells s6 after which time to kill the gateway of a slot that was told to end: a margin after it should have.
    ///
    /// # Errors
    /// The slot's `timeout-kill` cannot be written.
    pub fn set_time_to_end(&self, slot: &Path, drain_timeout: Duration) -> Result<(), WriteError> {
        let path = slot.join("timeout-kill");
        let millis = format!("{}\n", (drain_timeout + DRAIN_MARGIN).as_millis());
        // The image's own, which the slot links to, is right for nearly all.
        if std::fs::read_to_string(&path).is_ok_and(|text| text == millis) {
            return Ok(());
        }
        // A link would be followed no further than this: the file takes its place.
        let _ = std::fs::remove_file(&path);
        whole_file::write_for_now(&path, millis.as_bytes(), 0o644)
    }

    pub(super) fn tool(&self, name: &str) -> Tool {
        Tool::new(self.tools.join(name))
    }

    /// What `s6-svstat` would say of the slot of `profile`.
    fn state(&self, profile: &ProfileName) -> Result<Option<super::SlotState>, ServiceError> {
        match slot_state(&self.slot(profile), SystemTime::now()) {
            Ok(state) => Ok(Some(state)),
            Err(StatusError::NotSupervised(_)) => Ok(None),
            Err(source) => Err(ServiceError::Status { profile: profile.clone(), source }),
        }
    }

    /// Waits for a slot that is about to be supervised: that nobody does so far must not be taken for a gateway that is down.
    fn must_be_registered(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let slot = self.slot(profile);
        if is_up_and_running(&slot) {
            return Ok(());
        }
        self.wait_for_the_tree(profile)?;
        // `s6-svscan` listens before it has taken up what lies there.
        if exists(&slot) && waiting::until(FIRST_SCAN, LOOK, || is_up_and_running(&slot)) {
            return Ok(());
        }
        Err(ServiceError::NoSuchGateway { profile: profile.clone() })
    }

    /// Waits until `s6-svscan` runs on the scan directory. A boot lays the slots out before, and a tree that was killed comes back.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn wait_for_the_tree(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        wait_until(profile, "supervised", TREE, || is_scanned(&self.scandir))
    }

    fn forget_crashes(&self, operation: &'static str, profile: &ProfileName) -> Result<(), ServiceError> {
        let slot = self.slot(profile);
        Crashes::forget(&slot).map_err(|source| ServiceError::File {
            operation,
            profile: profile.clone(),
            path: slot,
            source,
        })
    }

    /// Calls `s6-svc` with orders, and with what to wait for.
    fn order(
        &self,
        operation: &'static str,
        profile: &ProfileName,
        orders: &[&str],
        awaited: Awaited,
        wait: Wait,
    ) -> Result<(), ServiceError> {
        let mut tool = self.tool("s6-svc").args(orders);
        let limit = match wait {
            Wait::No => None,
            Wait::AtMost(limit) => {
                // 0 would be no limit at all.
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
            // s6-svlisten1(1) exits 99 when the time is over; 111, before it could listen.
            if began.elapsed() >= limit {
                return Err(ServiceError::TimedOut {
                    profile: profile.clone(),
                    awaited: awaited.word(),
                    limit,
                });
            }
        }
        Err(ServiceError::Tool { operation, profile: profile.clone(), source })
    }

    /// Gives orders that make another process take the place of `former`, and waits until that one is ready. Not with `s6-svc -wR`:
    /// s6-svlisten1(1) that hears of the end and of the new one in one go waits for the end of that, for ever.
    fn order_another(
        &self,
        operation: &'static str,
        profile: &ProfileName,
        orders: &[&str],
        former: Option<u32>,
        wait: Wait,
    ) -> Result<(), ServiceError> {
        self.order(operation, profile, orders, Awaited::Ready, Wait::No)?;
        let Some(limit) = wait.limit() else { return Ok(()) };
        let mut ended =
            Err(ServiceError::TimedOut { profile: profile.clone(), awaited: Awaited::Ready.word(), limit });
        waiting::until(limit, LONGEST_LOOK, || {
            let found = match self.state(profile) {
                Ok(Some(state)) if state.ready && state.pid != former => Ok(()),
                Ok(Some(state)) if !state.up && !state.wanted_up => match self.crashes(profile).gave_up {
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
        self.order("stop", profile, &["-D"], Awaited::Down, wait)
    }

    /// The longest time that s6 gives the gateway of a slot to end: the slot's `timeout-kill`, and a margin.
    pub(super) fn longest_stop(&self, slot: &Path) -> Duration {
        let text = std::fs::read_to_string(slot.join("timeout-kill")).ok();
        let millis: Option<u64> = text.and_then(|text| text.trim().parse().ok());
        millis.filter(|&millis| millis > 0).map_or(LONGEST_STOP, Duration::from_millis) + MARGIN
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
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

impl ServiceManager for S6 {
    fn kind(&self) -> Kind {
        Kind::S6
    }

    fn start(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        self.must_be_registered(profile)?;
        match self.state(profile)? {
            // It was told to end: the one that comes after it is meant.
            Some(state) if state.up && !state.wanted_up => {
                return self.order_another("start", profile, &["-U"], state.pid, wait);
            }
            Some(state) if state.ready => {}
            _ => {
                // One that failed waits for its next try, is in it, or is being given up. It begins afresh, once it is down: that
                // is what "start" means to who sees it failing, and its `finish` must not speak of it any more.
                if self.crashes(profile).has_failed() {
                    match (self.take_down(profile, Wait::AtMost(wait.limit().unwrap_or(MARGIN))), wait) {
                        (Err(ServiceError::TimedOut { .. }), Wait::No) => {}
                        (down, _) => down?,
                    }
                }
                self.forget_crashes("start", profile)?;
            }
        }
        self.order("start", profile, &["-U"], Awaited::Ready, wait)
    }

    fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        self.must_be_registered(profile)?;
        self.take_down(profile, wait)?;
        // One that is to be down is as it should be, however it came there.
        self.forget_crashes("stop", profile)
    }

    fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        self.must_be_registered(profile)?;
        let Some(state) = self.state(profile)?.filter(|state| state.up) else {
            return self.start(profile, wait);
        };
        self.forget_crashes("restart", profile)?;
        self.order_another("restart", profile, &["-r", "-U"], state.pid, wait)
    }

    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        let Some(state) = self.state(profile)? else { return Ok(None) };
        let crashes = self.crashes(profile);
        Ok(Some(ServiceStatus {
            up: state.up,
            ready: state.ready,
            wanted_up: state.wanted_up,
            pid: state.pid,
            since: Some(state.since),
            restarts: crashes.restarts,
            restarted_ago: crashes.restarted_ago(Crashes::now()),
            comes_back: crashes.comes_back(&state),
            gave_up: crashes.gave_up,
            last_words: crashes.last_words,
        }))
    }

    fn supports_runtime_registration(&self) -> bool {
        true
    }

    fn register_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let action = action_at_boot(&StateFile::of(&self.home, profile).read());
        self.register(profile, action)
    }

    fn unregister_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        self.unregister(profile)
    }

    fn list_profile_gateways(&self) -> Result<Vec<ProfileName>, ServiceError> {
        let slots = scandir::slots(&self.scandir)
            .map_err(|source| ServiceError::List { path: self.scandir.clone(), source })?;
        Ok(slots.iter().filter_map(|slot| ProfileName::from_gateway_slot_name(&slot.name)).collect())
    }
}
