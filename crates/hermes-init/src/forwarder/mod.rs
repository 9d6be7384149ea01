//! The forwarder: carries the output of services to the streams of the container.
//!
//! All processes of the supervision trees write to the forwarder's pipes, and never to the container's own streams. The flag
//! `O_NONBLOCK` belongs to the open file description (fcntl(2)): if `s6-log` set it there, it would set it for the container's
//! command, too. The forwarder reads these pipes all the time, so a slow log reader delays no service. It drops and counts the
//! lines that the log reader does not take in time ([`queue`]).
//!
//! It is a child of the booter, which restarts it. In a container with root it stays root, so that the account can neither end nor
//! trace it. It opens no file. It ends when no process can write to the pipes any more.

mod queue;
mod source;
mod stream;

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use self::source::Source;
use self::stream::Stream;
use crate::account::Account;
use crate::message;
use crate::paths;
use crate::process_identity::ProcessIdentity;
use crate::processes::{Processes, signal_all};
use crate::signals;
use crate::spawn;
use crate::streams;

/// The time that the log reader has to take the last lines, after the last writer has ended.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The minimum time between two starts of the forwarder.
const RESTART_INTERVAL: Duration = Duration::from_secs(1);

/// The maximum number of pipes and loggers: as many as the trees hold.
const SOURCES_MAX: usize = 20_480;

/// The stack size of a thread that only writes.
const STACK: usize = 64 * 1024;

/// The write ends of the pipes: standard output and error of everything that is supervised.
#[derive(Debug)]
pub(crate) struct Inlets {
    out: OwnedFd,
    err: OwnedFd,
}

impl Inlets {
    /// Lets the account open `/dev/stdout` and similar files in processes that inherited these ends.
    pub(crate) fn hand_over(&self, account: &Account) {
        for inlet in [&self.out, &self.err] {
            // Fails without CAP_CHOWN. The account can still write to the inherited descriptor.
            let _ = fchown(inlet, Some(account.uid.as_raw()), None);
        }
    }

    /// Copies the ends for another process.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let clone = |inlet: &OwnedFd| inlet.try_clone().context("failed to copy a descriptor");
        Ok(Self { out: clone(&self.out)?, err: clone(&self.err)? })
    }

    /// Makes the ends the standard output and error of this process.
    pub(crate) fn become_own(&self) -> Result<()> {
        dup2_stdout(&self.out).context("failed to replace the standard output")?;
        dup2_stderr(&self.err).context("failed to replace the standard error")
    }
}

/// The read ends of the [`Inlets`].
#[derive(Debug)]
pub(crate) struct Outlets {
    out: File,
    err: File,
    /// The socket for the loggers of gateways. `None` if the file system holds no sockets; then loggers use the pipe.
    listener: Option<UnixListener>,
}

/// Makes the pipes between supervised processes and the forwarder. A started program inherits them only on purpose.
pub(crate) fn pipes() -> Result<(Inlets, Outlets)> {
    let ((out_outlet, out), (err_outlet, err)) = (pipe()?, pipe()?);
    Ok((Inlets { out, err }, Outlets { out: out_outlet.into(), err: err_outlet.into(), listener: listen() }))
}

/// Makes the socket for loggers. Each connection keeps the lines of one logger apart: two writers to a full pipe cut each other's
/// lines.
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
    let (outlet, inlet) = pipe_with(PipeFlags::CLOEXEC).context("failed to make a pipe")?;
    // The account can open the pipe and read from it, so the forwarder must not wait for bytes that another process took.
    fcntl_setfl(&outlet, OFlags::NONBLOCK).context("failed to set up a pipe")?;
    Ok((outlet, inlet))
}

/// The forwarder and the data for its restart.
#[derive(Debug)]
pub(crate) struct Forwarder {
    outlets: Outlets,
    /// The process, or `None` if its start failed.
    running: Option<Pid>,
    started: Instant,
}

impl Forwarder {
    /// Starts the forwarder.
    pub(crate) fn start(outlets: Outlets) -> Result<Self> {
        let running = fork(&outlets, Duration::ZERO)?;
        Ok(Self { outlets, running: Some(running), started: Instant::now() })
    }

    /// Restarts the forwarder if `child` was its process, or if its last start failed.
    ///
    /// The pipes keep unread bytes. The connections of loggers are lost, and `s6-log` would continue without one. So this ends the
    /// loggers, and their supervisors start new ones, which connect.
    pub(crate) fn ended(&mut self, child: Pid) {
        if self.running.is_some_and(|running| running != child) {
            return;
        }
        let pause = RESTART_INTERVAL.saturating_sub(self.started.elapsed());
        self.running = fork(&self.outlets, pause)
            .inspect_err(|error| {
                message::warning(format_args!("failed to start the log forwarder: {error:#}"));
            })
            .ok();
        self.started = Instant::now();
        if let Some(supervisor) = ProcessIdentity::read_alive(paths::SUPERVISOR) {
            let loggers = Processes::now().named_below(supervisor.pid(), b"s6-log");
            signal_all(loggers, Signal::TERM);
        }
    }
}

fn fork(outlets: &Outlets, pause: Duration) -> Result<Pid> {
    spawn::fork(|| {
        become_forwarder(outlets);
        thread::sleep(pause);
        match forward(outlets, streams::standard()) {
            Ok(()) => 0,
            Err(error) => {
                message::warning(format_args!("the log forwarder failed: {error:#}"));
                1
            }
        }
    })
}

/// Drops the booter's name, terminal and descriptors. Only SIGKILL can end the process after that.
fn become_forwarder(outlets: &Outlets) {
    let _ = rustix::thread::set_name(c"log-forwarder");
    let _ = signals::block_all();
    let _ = rustix::process::setsid();
    if let Ok(nothing) = File::open("/dev/null") {
        let _ = dup2_stdin(nothing);
    }
    let mut kept = vec![0, 1, 2, outlets.out.as_raw_fd(), outlets.err.as_raw_fd()];
    kept.extend(outlets.listener.as_ref().map(AsRawFd::as_raw_fd));
    spawn::close_all_but(&kept);
    spawn::raise_descriptor_limit();
}

/// Forwards until no process can write to the pipes any more.
fn forward(outlets: &Outlets, [_, out, err]: [BorrowedFd<'static>; 3]) -> Result<()> {
    let (for_out, for_err): (&Stream, &Stream) =
        (Box::leak(Box::new(Stream::new())), Box::leak(Box::new(Stream::new())));
    for (stream, descriptor) in [(for_out, out), (for_err, err)] {
        thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || stream.write_to(descriptor))
            .context("failed to start a thread")?;
    }
    let copied = || "failed to copy a descriptor";
    let mut pipes = vec![
        Source::new(outlets.out.try_clone().with_context(copied)?, for_out),
        Source::new(outlets.err.try_clone().with_context(copied)?, for_err),
    ];
    let mut loggers: Vec<Source> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    // Without free descriptors, the next logger waits until another one has ended.
    let mut accepts = true;
    while !pipes.is_empty() {
        let sources = pipes.len() + loggers.len();
        let listener = outlets.listener.as_ref().filter(|_| accepts && sources < SOURCES_MAX);
        let retry_timeout = pipes.iter().chain(&loggers).filter_map(Source::retry_timeout).min();
        let retry_timeout = retry_timeout.map(Timespec::try_from).transpose()?;
        let descriptors =
            pipes.iter().chain(&loggers).map(Source::descriptor).chain(listener.map(AsFd::as_fd));
        let mut polled: Vec<_> =
            descriptors.map(|each| PollFd::from_borrowed_fd(each, PollFlags::IN)).collect();
        match poll(&mut polled, retry_timeout.as_ref()) {
            Err(Errno::INTR) => continue,
            ready => ready.context("failed to wait for the services' output")?,
        };
        let mut readable =
            polled.iter().map(|each| !each.revents().is_empty()).collect::<Vec<_>>().into_iter();
        let mut take = |source: &mut Source| {
            if readable.next().unwrap_or(false) {
                return source.read(&mut buffer, sources);
            }
            source.try_queue();
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
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    drain_loggers(loggers, &mut buffer, deadline);
    for stream in [for_out, for_err] {
        stream.wait_until_written(deadline);
    }
    Ok(())
}

/// Reads the remaining output of loggers that have ended. It does not wait, since another process may keep a connection open.
fn drain_loggers(mut loggers: Vec<Source>, buffer: &mut [u8], deadline: Instant) {
    let sources = loggers.len();
    for logger in &mut loggers {
        let more = |logger: &Source| {
            let mut polled = [PollFd::from_borrowed_fd(logger.descriptor(), PollFlags::IN)];
            let polled = poll(&mut polled, Some(&Timespec::default()));
            Instant::now() < deadline && matches!(polled, Ok(1..))
        };
        while more(logger) && logger.read(buffer, sources) {}
        logger.finish();
    }
}
