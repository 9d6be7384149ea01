//! The forwarder: carries what services print to the streams of the container.
//!
//! All that the supervision trees start writes to pipes of ours, and none of it to the container's own streams: a program
//! that sets `O_NONBLOCK` there, as `s6-log` does, would set it for the container's command, too, since that flag belongs to
//! the open file description (fcntl(2)). The forwarder reads these pipes all the time. A log reader that stalls therefore
//! stalls no service; lines that it does not take in time are dropped and counted ([`Queue`]).
//!
//! It is a child of the booter, which starts it again should it end. It stays root where the container has root, so that the
//! account can neither end nor trace it. It opens no file. It ends when nobody can write to the pipes any more.

mod queue;
mod source;

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::os::unix::net::UnixListener;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{self, Pid};

use self::queue::Queue;
use self::source::Source;
use crate::account::Account;
use crate::message;
use crate::paths;
use crate::prepare;
use crate::process_identity::ProcessIdentity;
use crate::processes::{Processes, signal_all};
use crate::spawn;

/// The log reader has this long to take the rest, once nobody writes any more.
const REST_TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// A forwarder that ended sooner is started again only after this time.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// The most chunks that are taken from a queue at once.
const CHUNKS_AT_ONCE: usize = 16;

/// The pipes and the loggers that are read at most: as many as the trees hold.
const MOST_SOURCES: usize = 20_480;

/// The stack of a thread that does nothing but write.
const STACK: usize = 64 * 1024;

/// The standard output and error of everything that is supervised: the ends to write to.
#[derive(Debug)]
pub(crate) struct Inlets {
    out: OwnedFd,
    err: OwnedFd,
}

impl Inlets {
    /// Lets the account open `/dev/stdout` and its like where it inherited these.
    pub(crate) fn hand_over(&self, account: &Account) {
        for inlet in [&self.out, &self.err] {
            // Without CAP_CHOWN it stays as it is; writing to the inherited descriptor works anyway.
            let _ = fchown(inlet, Some(account.uid.as_raw()), None);
        }
    }

    /// The same ends, for another process.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let clone = |inlet: &OwnedFd| inlet.try_clone().context("failed to copy a descriptor");
        Ok(Self { out: clone(&self.out)?, err: clone(&self.err)? })
    }

    /// Makes them the standard output and error of this process.
    pub(crate) fn become_own(&self) -> Result<()> {
        unistd::dup2_stdout(&self.out).context("failed to replace the standard output")?;
        unistd::dup2_stderr(&self.err).context("failed to replace the standard error")
    }
}

/// The other ends of the [`Inlets`].
#[derive(Debug)]
pub(crate) struct Outlets {
    out: File,
    err: File,
    /// Each logger of a gateway connects here. `None` where the file system holds no sockets: loggers use the pipe then.
    listener: Option<UnixListener>,
}

/// Makes the pipes between what is supervised and the forwarder. No program that is started inherits them by accident.
pub(crate) fn pipes() -> Result<(Inlets, Outlets)> {
    let ((out_outlet, out), (err_outlet, err)) = (pipe()?, pipe()?);
    Ok((Inlets { out, err }, Outlets { out: out_outlet.into(), err: err_outlet.into(), listener: listen() }))
}

/// Makes the socket that loggers connect to. A connection keeps the lines of one logger apart from those of all others: two
/// that write to one full pipe cut each other's.
fn listen() -> Option<UnixListener> {
    let made = UnixListener::bind(paths::LOG_SOCKET).and_then(|listener| {
        fs::set_permissions(paths::LOG_SOCKET, Permissions::from_mode(0o666))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    made.inspect_err(|error| {
        message::warning(format_args!("failed to listen on {}: {error}", paths::LOG_SOCKET));
    })
    .ok()
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (outlet, inlet) = unistd::pipe2(OFlag::O_CLOEXEC).context("failed to make a pipe")?;
    // The account can open the pipe and read from it: the forwarder must not wait for what somebody else took.
    fcntl(&outlet, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("failed to set up a pipe")?;
    Ok((outlet, inlet))
}

/// The forwarder as the booter keeps it.
#[derive(Debug)]
pub(crate) struct Forwarder {
    outlets: Outlets,
    /// `None` when it could not be started.
    running: Option<Pid>,
    started: Instant,
}

impl Forwarder {
    /// Starts the forwarder.
    pub(crate) fn start(outlets: Outlets) -> Result<Self> {
        let running = fork(&outlets, Duration::ZERO)?;
        Ok(Self { outlets, running: Some(running), started: Instant::now() })
    }

    /// Starts it again when it was this child that ended, or when the last try failed. The pipes keep what nobody read. The
    /// connections of loggers are lost, and `s6-log` does without one from then on: loggers are told to end, and their
    /// supervisors start new ones, which connect.
    pub(crate) fn ended(&mut self, child: Pid) {
        if self.running.is_some_and(|running| running != child) {
            return;
        }
        let pause = SHORTEST_LIFE.saturating_sub(self.started.elapsed());
        self.running = fork(&self.outlets, pause)
            .inspect_err(|error| {
                message::warning(format_args!("failed to start the log forwarder: {error:#}"));
            })
            .ok();
        self.started = Instant::now();
        if let Some(supervisor) = ProcessIdentity::read_alive(paths::SUPERVISOR) {
            let loggers = Processes::now().named_below(supervisor.pid(), b"s6-log");
            signal_all(loggers, Signal::SIGTERM);
        }
    }
}

fn fork(outlets: &Outlets, pause: Duration) -> Result<Pid> {
    spawn::fork(|| {
        become_forwarder(outlets);
        thread::sleep(pause);
        match forward(outlets, spawn::streams()) {
            Ok(()) => 0,
            Err(error) => {
                message::warning(format_args!("the log forwarder failed: {error:#}"));
                1
            }
        }
    })
}

/// Leaves behind what it has of the booter: its name, its terminal, its descriptors. No signal ends it but SIGKILL.
fn become_forwarder(outlets: &Outlets) {
    let _ = prctl::set_name(c"log-forwarder");
    let _ = SigSet::all().thread_block();
    let _ = unistd::setsid();
    if let Ok(nothing) = File::open("/dev/null") {
        let _ = unistd::dup2_stdin(nothing);
    }
    let mut kept = vec![0, 1, 2, outlets.out.as_raw_fd(), outlets.err.as_raw_fd()];
    kept.extend(outlets.listener.as_ref().map(AsRawFd::as_raw_fd));
    spawn::close_all_but(&kept);
    prepare::raise_descriptor_limit();
}

/// A queue, and news about it.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: Queue,
    /// A chunk is being written.
    writing: bool,
}

impl Shared {
    fn new() -> Self {
        Self { state: Mutex::new(State { queue: Queue::default(), writing: false }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        change(&mut self.lock().queue);
        self.changed.notify_all();
    }

    /// Waits until everything is written, up to the deadline.
    fn wait_until_written(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let busy = |state: &mut State| state.writing || !state.queue.is_empty();
        let _ = self.changed.wait_timeout_while(self.lock(), left, busy);
    }

    /// Writes what is queued, for ever. A thread of its own does it, since the stream may block and its flags are not ours to
    /// change: the container's command shares them.
    fn write_to(&self, stream: BorrowedFd<'_>) {
        let mut chunks = vec![Vec::new(); CHUNKS_AT_ONCE];
        loop {
            let mut state = self.lock();
            state.writing = false;
            loop {
                chunks.iter_mut().for_each(|chunk| state.queue.next_chunk(chunk));
                if !chunks[0].is_empty() {
                    break;
                }
                self.changed.notify_all();
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.writing = true;
            drop(state);
            for chunk in &chunks {
                if write_all(stream, chunk).is_err_and(|error| is_gone(&error)) {
                    self.change(Queue::close);
                    break;
                }
            }
        }
    }
}

/// Writes all of it, also where somebody made the stream non-blocking.
fn write_all(stream: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match unistd::write(stream, bytes).map_err(io::Error::from) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(stream, PollFlags::POLLOUT)], PollTimeout::NONE)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether nobody will ever read the stream again; a full disk may have room later.
fn is_gone(error: &io::Error) -> bool {
    error.kind() != ErrorKind::StorageFull
}

/// Forwards until nobody can write to the pipes any more.
fn forward(outlets: &Outlets, [_, out, err]: [BorrowedFd<'static>; 3]) -> Result<()> {
    let (for_out, for_err): (&Shared, &Shared) =
        (Box::leak(Box::new(Shared::new())), Box::leak(Box::new(Shared::new())));
    for (shared, stream) in [(for_out, out), (for_err, err)] {
        thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || shared.write_to(stream))
            .context("failed to start a thread")?;
    }
    let copied = || "failed to copy a descriptor";
    let mut pipes = vec![
        Source::new(outlets.out.try_clone().with_context(copied)?, for_out),
        Source::new(outlets.err.try_clone().with_context(copied)?, for_err),
    ];
    let mut loggers: Vec<Source> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    // Descriptors may run out: then the next logger waits until another one has ended.
    let mut accepts = true;
    while !pipes.is_empty() {
        let sources = pipes.len() + loggers.len();
        let listener = outlets.listener.as_ref().filter(|_| accepts && sources < MOST_SOURCES);
        let patience = pipes.iter().chain(&loggers).filter_map(Source::patience).min();
        let patience = patience.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from)?;
        let descriptors =
            pipes.iter().chain(&loggers).map(Source::descriptor).chain(listener.map(AsFd::as_fd));
        let mut polled: Vec<_> = descriptors.map(|each| PollFd::new(each, PollFlags::POLLIN)).collect();
        match poll(&mut polled, patience) {
            Err(nix::errno::Errno::EINTR) => continue,
            ready => ready.context("failed to wait for the services' output")?,
        };
        let mut readable =
            polled.iter().map(|each| each.any().unwrap_or(false)).collect::<Vec<_>>().into_iter();
        let mut take = |source: &mut Source| {
            if readable.next().unwrap_or(false) {
                return source.read(&mut buffer, sources);
            }
            source.settle();
            true
        };
        pipes.retain_mut(&mut take);
        loggers.retain_mut(&mut take);
        accepts |= pipes.len() + loggers.len() < sources;
        if let Some(listener) = listener.filter(|_| readable.next().unwrap_or(false)) {
            match listener.accept() {
                Ok((logger, _)) if logger.set_nonblocking(true).is_ok() => {
                    loggers.push(Source::new(File::from(OwnedFd::from(logger)), for_out));
                }
                Ok(_) => {}
                Err(error) => accepts = error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
    let deadline = Instant::now() + REST_TAKEN_WITHIN;
    take_the_rest(loggers, &mut buffer, deadline);
    for shared in [for_out, for_err] {
        shared.wait_until_written(deadline);
    }
    Ok(())
}

/// Reads what loggers that have ended left behind. Somebody else may keep a connection open: nothing is waited for.
fn take_the_rest(mut loggers: Vec<Source>, buffer: &mut [u8], deadline: Instant) {
    let sources = loggers.len();
    for logger in &mut loggers {
        let more = |logger: &Source| {
            let polled = poll(&mut [PollFd::new(logger.descriptor(), PollFlags::POLLIN)], PollTimeout::ZERO);
            Instant::now() < deadline && matches!(polled, Ok(1..))
        };
        while more(logger) && logger.read(buffer, sources) {}
        logger.finish();
    }
}

/// Makes the container's streams blocking again, as the engine made them: a set-up script may have left them otherwise.
pub(crate) fn make_streams_blocking() {
    for stream in spawn::streams() {
        let Ok(flags) = fcntl(stream, FcntlArg::F_GETFL).map(OFlag::from_bits_retain) else { continue };
        if flags.contains(OFlag::O_NONBLOCK) {
            let _ = fcntl(stream, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK));
        }
    }
}

/// Closes the standard output and error of a process that nothing prints any more: the forwarder ends when nobody can write.
pub(crate) fn release_inlets() {
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        let _ = unistd::dup2_stdout(&nothing);
        let _ = unistd::dup2_stderr(&nothing);
    }
}
