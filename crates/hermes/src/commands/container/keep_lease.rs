//! `hermes container keep-lease`: keeps the volume this container's, or waits until it is (the service `volume-lease`).

use std::cell::{Cell, RefCell};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hermes_core::boot::record::{BOOT_JSON, BootRecord};
use hermes_core::lease::{Acquire, BEAT, Held, LeaseError, Obstacle, Renewal, VolumeLease};
use hermes_core::{BootAction, StateFile, action_at_boot, chain};
use hermes_service::s6::S6;
use hermes_service::{ServiceManager, Wait};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::failures::is_read_only;
use crate::output::{note, say};
use crate::ownership::{self, Note, Other};

/// Between two looks at what another container has.
const LOOK: Duration = Duration::from_secs(1);
/// After a take-over from a holder that gave no sign of life: another may have taken over at the same moment, and the later one
/// has it.
const SETTLES: Duration = Duration::from_secs(2);
/// Between two looks whether the last gateway has ended.
const ENDING: Duration = Duration::from_millis(10);
/// Between two looks whether the boot is complete.
const COMPLETE: Duration = Duration::from_millis(100);
/// For how long it is looked that often; a boot that takes longer waits for a service, and is looked for at each beat.
const COMPLETES: Duration = Duration::from_secs(300);
/// How long the gateways may take to end before the volume is given back all the same.
const ENDS: Duration = Duration::from_secs(3600);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of the slot, which s6-supervise passes.
    #[arg(default_value = "volume-lease")]
    _slot: String,
}

struct Keeper {
    /// What was told last of a volume that does not take the lease: told once, and once more when it does.
    trouble: RefCell<Option<String>>,
    s6: S6,
    home: hermes_core::Home,
    lease: VolumeLease,
    stop: SignalFd,
    /// When this began.
    began: Instant,
    /// Whether this boot is among those that the volume keeps, or cannot be.
    boot_is_kept: Cell<bool>,
}

/// The order to end has come.
struct Stop;

pub(crate) fn run(context: &Context, _: &Arguments) -> Result<ExitCode, CommandError> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    let failed =
        |error: nix::Error| CommandError::new(Exit::Failed, "cannot wait for signals").caused_by(error);
    signals.thread_block().map_err(failed)?;
    let stop = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).map_err(failed)?;
    let home = context.home.clone();
    // Here and not in the set-up: it waits for the disk, and the container's command does not wait for this service.
    std::thread::spawn(move || hermes_setup::report_lacks(&home, &mut hermes_setup::Notices::aloud()));
    let Some(note) = Note::read() else {
        // Nothing reconciled here: no gateway runs, and the volume is not asked for.
        return stop.read_signal().map(|_| ExitCode::SUCCESS).map_err(failed);
    };
    let keeper = Keeper {
        trouble: RefCell::default(),
        s6: S6::of_the_image(context.home.clone()),
        home: context.home.clone(),
        lease: ownership::lease(&context.home, &note.instance),
        stop,
        began: Instant::now(),
        boot_is_kept: Cell::new(false),
    };
    keeper.keep(note.other.is_none())
}

impl Keeper {
    fn keep(&self, mut was_ours: bool) -> Result<ExitCode, CommandError> {
        let mut taken = self.lease.take();
        // Of a volume that is mounted read-only the boot has told; from then on a change is news.
        if let Err(error) = &taken
            && is_read_only(error)
        {
            self.trouble.replace(Some(chain(error)));
        }
        loop {
            let held = match self.tell(taken) {
                // A full disk, a volume that is away: tried again at the next beat.
                None => match self.pause(BEAT)? {
                    Ok(()) => {
                        taken = self.lease.take();
                        continue;
                    }
                    Err(Stop) => return Ok(ExitCode::SUCCESS),
                },
                Some(Acquire::Held(held)) => held,
                Some(Acquire::Obstacle(obstacle)) => {
                    self.leave_to(&obstacle, was_ours)?;
                    match self.wait_for(obstacle)? {
                        Ok(held) => held,
                        Err(Stop) => return Ok(ExitCode::SUCCESS),
                    }
                }
            };
            if Note::read().is_none_or(|note| note.other.is_some()) {
                self.note(None)?;
                say!("this container has the volume now: starting what is to run");
                self.start_what_is_to_run();
            }
            was_ours = true;
            if let Err(Stop) = self.hold(held)? {
                return Ok(ExitCode::SUCCESS);
            }
            taken = self.lease.take();
        }
    }

    /// Beats until another has the volume.
    fn hold(&self, mut held: Held) -> Result<Result<(), Stop>, CommandError> {
        loop {
            if let Err(Stop) = self.pause_and_keep_boot(BEAT)? {
                self.wait_until_no_gateway_is_up();
                self.tell(self.lease.give_back(held));
                return Ok(Err(Stop));
            }
            // Where the beat cannot be written the lock is still held.
            if let Some(Renewal::Lost(obstacle)) = self.tell(self.lease.renew(&mut held)) {
                drop(held);
                return self.leave_to(&obstacle, true).map(Ok);
            }
        }
    }

    /// Another has the volume: says so, and stops what may run here. What the operator wants stays as it is.
    fn leave_to(&self, obstacle: &Obstacle, was_ours: bool) -> Result<(), CommandError> {
        let other = Other::of(obstacle);
        if was_ours {
            note!("{}; no gateway is started here until it is free", other.told());
        }
        self.note(Some(other))?;
        if was_ours {
            for profile in self.s6.list_profile_gateways()? {
                if let Err(error) = self.s6.stop(&profile, Wait::No) {
                    CommandError::from(error).report();
                }
            }
        }
        Ok(())
    }

    /// Looks until the volume is free, or until its holder has given no sign of life for as long as its lease says.
    fn wait_for(&self, mut seen: Obstacle) -> Result<Result<Held, Stop>, CommandError> {
        let mut since = Instant::now();
        loop {
            if let Err(Stop) = self.pause(LOOK)? {
                return Ok(Err(Stop));
            }
            let taken =
                if since.elapsed() >= seen.ttl() { self.lease.take_over(&seen) } else { self.lease.take() };
            match self.tell(taken) {
                None => {}
                Some(Acquire::Held(mut held)) => {
                    if since.elapsed() >= seen.ttl() {
                        if let Err(Stop) = self.pause(SETTLES)? {
                            self.tell(self.lease.give_back(held));
                            return Ok(Err(Stop));
                        }
                        if let Some(Renewal::Lost(other)) = self.tell(self.lease.renew(&mut held)) {
                            (seen, since) = (other, Instant::now());
                            continue;
                        }
                    }
                    return Ok(Ok(held));
                }
                Some(Acquire::Obstacle(obstacle)) => {
                    if obstacle.has_moved_since(&seen) {
                        since = Instant::now();
                        if obstacle.lease.as_ref().map(|lease| &lease.holder)
                            != seen.lease.as_ref().map(|lease| &lease.holder)
                        {
                            self.note(Some(Other::of(&obstacle)))?;
                        }
                    }
                    seen = obstacle;
                }
            }
        }
    }

    /// What came of it; nothing where it failed, which is told when it is news.
    fn tell<T>(&self, result: Result<T, LeaseError>) -> Option<T> {
        let news = match &result {
            Ok(_) => None,
            Err(error) => Some(chain(error)),
        };
        let before = self.trouble.replace(news.clone());
        match news {
            Some(what) if before.as_ref() != Some(&what) => {
                note!(
                    "cannot keep the lease of the volume: {what}; look whether {} has room and is writable",
                    self.home.root().display()
                );
            }
            None if before.is_some() => say!("the lease of the volume is kept again"),
            _ => {}
        }
        result.ok()
    }

    /// Lets the time pass as [`pause`](Self::pause) does; the boot is remembered meanwhile, as soon as it is complete.
    fn pause_and_keep_boot(&self, time: Duration) -> Result<Result<(), Stop>, CommandError> {
        let deadline = Instant::now() + time;
        while !self.boot_is_kept.get() {
            self.keep_boot();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.boot_is_kept.get() {
                break;
            }
            let look = if self.began.elapsed() < COMPLETES { COMPLETE } else { BEAT };
            if let Err(Stop) = self.pause(left.min(look))? {
                self.keep_boot();
                return Ok(Err(Stop));
            }
        }
        self.pause(deadline.saturating_duration_since(Instant::now()))
    }

    /// Adds this boot to those that the volume keeps, if it is complete. Done by the holder of the volume alone: two would write
    /// the same file.
    fn keep_boot(&self) {
        if self.boot_is_kept.get() {
            return;
        }
        let kept = BootRecord::load(Path::new(BOOT_JSON)).and_then(|boot| match boot {
            Some(boot) => boot.keep(&self.home).map(|()| true),
            None => Ok(false),
        });
        match kept {
            Ok(kept) => self.boot_is_kept.set(kept),
            Err(error) => {
                self.boot_is_kept.set(true);
                // Of a read-only volume the boot has told.
                if !is_read_only(&error) {
                    note!("this boot is not remembered: cannot {}", chain(&error));
                }
            }
        }
    }

    fn note(&self, other: Option<Other>) -> Result<(), CommandError> {
        Note { instance: self.lease.me().instance.clone(), other }.write()
    }

    fn start_what_is_to_run(&self) {
        let profiles = match self.home.profiles() {
            Ok(profiles) => profiles.names,
            Err(error) => {
                CommandError::from(error).report();
                return;
            }
        };
        for profile in profiles {
            if action_at_boot(&StateFile::of(&self.home, &profile).read()) == BootAction::Start
                && let Err(error) = self.s6.start(&profile, Wait::No)
            {
                CommandError::from(error).report();
            }
        }
    }

    /// At a stop of the container the gateways end at the same time as this does; the next container must not start before.
    fn wait_until_no_gateway_is_up(&self) {
        let deadline = Instant::now() + ENDS;
        let is_any_up = || {
            let profiles = self.s6.list_profile_gateways().unwrap_or_default();
            profiles.iter().any(|profile| self.s6.is_running(profile).unwrap_or(false))
        };
        while Instant::now() < deadline && is_any_up() {
            std::thread::sleep(ENDING);
        }
    }

    /// Lets the time pass, unless the order to end comes.
    fn pause(&self, time: Duration) -> Result<Result<(), Stop>, CommandError> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut descriptors = [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, timeout) {
                Ok(0) if left.is_zero() || left < Duration::from_millis(1) => return Ok(Ok(())),
                Ok(0) | Err(nix::Error::EINTR) => {}
                Ok(_) => return Ok(Err(Stop)),
                Err(error) => {
                    return Err(CommandError::new(Exit::Failed, "cannot wait for signals").caused_by(error));
                }
            }
        }
    }
}
