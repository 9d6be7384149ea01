//! The record of the gateway in `gateway_state.json`. A disk that hangs does not block the gateway.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hermes_core::gateway::state::{DesiredState, Observation, StateFileError};
use hermes_core::{ObservedState, StateFile, chain};
use hermes_os::process::ProcessStat;
use tokio::sync::oneshot;
use tokio::time;

use crate::disk::Disk;
use crate::options::Options;
use crate::say::warn;

/// The interval between two writes of the state. `updated_at` thus tells a live gateway from one that hangs.
pub const STATE_INTERVAL: Duration = Duration::from_secs(60);

/// The time that a step of the gateway waits for a write of the state. After it both the write and the gateway continue.
const WRITE_WAIT: Duration = Duration::from_secs(2);

/// Writes the states of one gateway. A failed write is a warning: a gateway runs on a full disk, too.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: StateFile,
    start_time: u64,
    argv: Vec<String>,
    failures: AtomicU64,
    active_agents: AtomicU64,
}

impl Recorder {
    /// Creates the recorder of the gateway that `options` describe.
    pub(crate) fn new(options: &Options) -> Self {
        let start = ProcessStat::of(process::id()).map(|stat| stat.start_ticks);
        let start_time = start.unwrap_or_else(|error| {
            warn(format_args!("failed to read the start time of this process: {error}"));
            0
        });
        let file = StateFile::of(&options.home, &options.profile);
        let (failures, active_agents) = (AtomicU64::new(0), AtomicU64::new(0));
        let argv = options.argv.clone();
        Self { inner: Arc::new(Inner { file, start_time, argv, failures, active_agents }) }
    }

    /// Returns the number of failed writes.
    pub(crate) fn failures(&self) -> u64 {
        self.inner.failures.load(Ordering::Relaxed)
    }

    /// Sets the number of running turns, for the next writes.
    pub(crate) fn set_active_agents(&self, count: usize) {
        self.inner.active_agents.store(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Writes the state that `observe` returns for the desired state, on this thread.
    pub(crate) fn write(
        &self,
        exit_reason: Option<String>,
        observe: impl FnOnce(Option<DesiredState>) -> ObservedState,
    ) {
        let written = self.try_write(exit_reason, observe);
        if let Err(error) = written {
            self.inner.failures.fetch_add(1, Ordering::Relaxed);
            warn(format_args!("failed to record the state: {}", chain(&error)));
        }
    }

    fn try_write(
        &self,
        exit_reason: Option<String>,
        observe: impl FnOnce(Option<DesiredState>) -> ObservedState,
    ) -> Result<(), StateFileError> {
        self.inner.file.record(SystemTime::now(), |desired| Observation {
            state: observe(desired),
            pid: process::id(),
            start_time: self.inner.start_time,
            argv: self.inner.argv.clone(),
            exit_reason,
            restart_requested: false,
            active_agents: self.inner.active_agents.load(Ordering::Relaxed),
            platforms: serde_json::Map::new(),
        })
    }

    /// Writes the state on the thread of `disk`. The writes keep the order of the calls.
    pub(crate) fn start_writing(
        &self,
        disk: &Disk,
        observe: impl FnOnce(Option<DesiredState>) -> ObservedState + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let recorder = self.clone();
        disk.start(move || recorder.write(None, observe))
    }
}

/// Waits until a state is written, for [`WRITE_WAIT`] at the longest.
pub(crate) async fn wait_for_write<T>(writing: oneshot::Receiver<T>) {
    if time::timeout(WRITE_WAIT, writing).await.is_err() {
        warn(
            "the state is not recorded yet: the disk does not answer, or another process holds the lock of the file",
        );
    }
}
