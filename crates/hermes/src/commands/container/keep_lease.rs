//! `hermes container keep-lease`: keeps the lease of the volume, or waits until it is free (the service `volume-lease`).

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hermes_operations::lease_keeper::{Clock, LeaseKeeper, Pause};
use hermes_operations::lease_note::{self, LeaseNote};
use hermes_operations::{Report, ReportKind};
use hermes_service::s6::S6;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::context::Context;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of the slot, which s6-supervise passes.
    #[arg(default_value = "volume-lease")]
    _slot: String,
}

pub(crate) fn run(context: &Context, _: &Arguments) -> Result<ExitCode, Report> {
    // Blocked before the first thread, so that the signals reach the descriptor alone.
    let clock = SignalClock::new()?;
    let home = context.home.clone();
    // Here and not in the set-up: it waits for the disk, and the container's command does not wait for this service.
    std::thread::spawn(move || hermes_setup::report_lacks(&home, &mut hermes_setup::Notices::aloud()));
    let Some(note) = LeaseNote::read() else {
        // Without reconciliation no gateway runs, and this container does not ask for the lease.
        return clock.stop.read_signal().map(|_| ExitCode::SUCCESS).map_err(cannot_wait);
    };
    let operations = context.operations_with(std::sync::Arc::new(S6::of_the_image(context.home.clone())));
    let lease = lease_note::lease(&context.home, &note.instance);
    LeaseKeeper::new(&operations, lease, &clock).keep(note.other.is_none())?;
    Ok(ExitCode::SUCCESS)
}

/// The clock of the machine. SIGTERM and SIGINT are the order to stop.
struct SignalClock {
    began: Instant,
    stop: SignalFd,
}

impl SignalClock {
    fn new() -> Result<Self, Report> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals.add(Signal::SIGINT);
        signals.thread_block().map_err(cannot_wait)?;
        let stop = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).map_err(cannot_wait)?;
        Ok(Self { began: Instant::now(), stop })
    }
}

impl Clock for SignalClock {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn pause(&self, time: Duration) -> Result<Pause, Report> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut descriptors = [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, timeout) {
                Ok(0) if left < Duration::from_millis(1) => return Ok(Pause::Passed),
                Ok(0) | Err(nix::Error::EINTR) => {}
                Ok(_) => return Ok(Pause::Stopped),
                Err(error) => return Err(cannot_wait(error)),
            }
        }
    }
}

fn cannot_wait(error: nix::Error) -> Report {
    Report::new(ReportKind::Failed, "failed to wait for signals").caused_by(error)
}
