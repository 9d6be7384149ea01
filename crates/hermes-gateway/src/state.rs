//! What the gateway says of itself in `gateway_state.json`, without ever waiting for a disk that hangs.

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

/// How often a running gateway writes its state again, so that `updated_at` tells a live one from one that hangs.
pub const STATE_INTERVAL: Duration = Duration::from_secs(60);

/// How long a step of the gateway's life waits until a state is written. The writing goes on; the gateway does, too.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes the states of one gateway. A state that cannot be written is a warning: a full disk keeps no gateway down.
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
}

impl Recorder {
    /// The recorder of the gateway that `options` describe.
    pub(crate) fn new(options: &Options) -> Self {
        let start = ProcessStat::of(process::id()).map(|stat| stat.start_ticks);
        let start_time = start.unwrap_or_else(|error| {
            warn(format_args!("the start time of this process is not known: {error}"));
            0
        });
        let file = StateFile::of(&options.home, &options.profile);
        let failures = AtomicU64::new(0);
        Self { inner: Arc::new(Inner { file, start_time, argv: options.argv.clone(), failures }) }
    }

    /// How many states could not be written.
    pub(crate) fn failures(&self) -> u64 {
        self.inner.failures.load(Ordering::Relaxed)
    }

    /// Writes the state that `observe` makes of what the operator wants, on this thread.
    pub(crate) fn write(
        &self,
        exit_reason: Option<String>,
        observe: impl FnOnce(Option<DesiredState>) -> ObservedState,
    ) {
        let written = self.try_write(exit_reason, observe);
        if let Err(error) = written {
            self.inner.failures.fetch_add(1, Ordering::Relaxed);
            warn(format_args!("the state is not recorded: {}", chain(&error)));
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
            active_agents: 0,
            platforms: serde_json::Map::new(),
        })
    }

    /// Writes the state on the thread of `disk`. States are written in the order of these calls.
    pub(crate) fn start_writing(
        &self,
        disk: &Disk,
        observe: impl FnOnce(Option<DesiredState>) -> ObservedState + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let recorder = self.clone();
        disk.start(move || recorder.write(None, observe))
    }
}

/// Waits until a state is written, as long as a disk that works may take.
pub(crate) async fn patiently<T>(writing: oneshot::Receiver<T>) {
    if time::timeout(PATIENCE, writing).await.is_err() {
        warn("the state is not recorded yet: the disk does not answer, or the file is locked");
    }
}
