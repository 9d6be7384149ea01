//! The supervisor of one call, a process of its own: it confines a child, watches it, and ends all that the call started.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hermes_os::process::close_to_the_account;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper, setsid};
use rustix::stdio::dup2_stdout;
use serde_json::Value;
use thiserror::Error;

use super::broker::Broker;
use super::channel::{self, Message};
use super::confine::{self, Child};
use super::control::{Control, ControlError};
use super::descendants::{self, Reach, Reaped};
use super::policy::Policy;
use super::request::{Ended, Streams, Task, cause};
use super::streams::Ends;
use crate::tools::ToolOutput;

/// The time from SIGTERM to SIGKILL at the end of a call's time.
pub const GRACE: Duration = Duration::from_secs(2);

/// The time between two looks for processes that hide their end.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// The likelihood that the kernel ends a call before others if memory is short (`oom_score_adj` of proc(5)).
const FIRST_TO_DIE: &str = "800";

/// A failure before the child exists.
#[derive(Debug, Error)]
enum SuperviseError {
    #[error("failed to confine a call of root: a tool never runs as root")]
    Root,
    #[error("failed to confine the call: this process has several threads")]
    Threads,
    #[error("failed to {step}")]
    Step { step: &'static str, source: io::Error },
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// Names the step that failed.
trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, SuperviseError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, SuperviseError> {
        self.map_err(|source| SuperviseError::Step { step, source: source.into() })
    }
}

/// Runs the call that the control channel requests, and reports its end on the standard error, in one line. A second line has the end
/// of the task's standard error, if that was apart.
///
/// `run_tool` runs a [`Task::Tool`] in the confined child. Call this before the process starts a thread.
pub fn supervise(run_tool: impl FnOnce(&str, Value) -> ToolOutput) -> ExitCode {
    let (ended, errors) =
        run(run_tool).unwrap_or_else(|error| (Ended::NotConfined { cause: cause(&error) }, None));
    let mut lines = serde_json::to_vec(&ended).unwrap_or_default();
    lines.push(b'\n');
    if let Some(errors) = errors {
        lines.extend(serde_json::to_vec(&errors).unwrap_or_default());
        lines.push(b'\n');
    }
    // An engine that ended the call reads no report.
    let _ = io::stderr().write_all(&lines);
    ExitCode::SUCCESS
}

/// Returns the end of the call, and the end of its standard error.
fn run(run_tool: impl FnOnce(&str, Value) -> ToolOutput) -> Result<(Ended, Option<String>), SuperviseError> {
    if fs::read_dir("/proc/self/task").step("count the threads of this process")?.count() != 1 {
        return Err(SuperviseError::Threads);
    }
    if holds_root() {
        return Err(SuperviseError::Root);
    }
    // Descriptors of the engine that lack O_CLOEXEC.
    confine::close_range(3, u32::MAX).step("close the inherited descriptors")?;
    // Only before the next step: then /proc/self belongs to root. A kernel without it ends others first.
    let _ = fs::write("/proc/self/oom_score_adj", FIRST_TO_DIE);
    close_to_the_account().step("close the process to its account")?;
    // The keys of a terminal reach the engine alone. A leader of a process group has no terminal to lose.
    let _ = setsid();
    set_child_subreaper(Some(getpid())).step("become the subreaper of the call")?;
    let signals = watched().step("watch for signals")?;
    let mut control = Control::default();
    let Some(request) = control.request()? else { return Ok((ended_by_the_engine(), None)) };
    let streams = match &request.task {
        Task::Command { streams, .. } => *streams,
        Task::Tool { .. } => Streams::Output,
    };
    let (ends, ends_of_child) = Ends::new(streams).step("make the input of the call")?;
    let (channel, channel_of_child) = channel::pair().step("make a channel to the call")?;
    let has_terminal = streams == Streams::Terminal;
    let child = Child { supervisor: getpid(), channel: channel_of_child, ends: ends_of_child, has_terminal };
    let reach = Reach::restrict();
    #[expect(unsafe_code, reason = "fork(2)")]
    // SAFETY: this process has one thread, so the child may use all that a process may use.
    let pid = match unsafe { nix::unistd::fork() }.step("fork")? {
        ForkResult::Child => confine::become_task(child, request, run_tool),
        ForkResult::Parent { child } => child,
    };
    drop(child);
    if !has_terminal {
        close_output().step("leave the output to the call")?;
    }
    let deadline = request.time_limit.and_then(|limit| Instant::now().checked_add(limit));
    let policy = request.policy;
    let mut call = Call {
        pid,
        reach,
        policy,
        signals,
        control,
        ends,
        channel: Some(channel),
        broker: None,
        failure: None,
    };
    let ended = call.watch(deadline);
    call.end();
    let errors = call.ends.last_errors();
    Ok((call.failure.map_or(ended, Ok)?, errors))
}

/// A running call.
struct Call {
    pid: Pid,
    reach: Reach,
    policy: Policy,
    signals: SignalFd,
    control: Control,
    ends: Ends,
    channel: Option<OwnedFd>,
    broker: Option<Broker>,
    /// The failure that the child reported.
    failure: Option<Ended>,
}

/// The state of the time limit.
enum Clock {
    Unlimited,
    Until(Instant),
    Grace(Instant),
}

impl Clock {
    /// Returns the time left.
    fn left(&self) -> Option<Duration> {
        match self {
            Self::Unlimited => None,
            Self::Until(end) | Self::Grace(end) => Some(end.saturating_duration_since(Instant::now())),
        }
    }
}

impl Call {
    /// Watches the call until its process ended, its time is over, or the engine ended it.
    fn watch(&mut self, deadline: Option<Instant>) -> Result<Ended, SuperviseError> {
        let mut clock = deadline.map_or(Clock::Unlimited, Clock::Until);
        // Input that came with the request.
        self.take_frames()?;
        loop {
            if clock.left().is_some_and(|left| left.is_zero()) {
                if matches!(clock, Clock::Grace(_)) {
                    return Ok(Ended::TimedOut);
                }
                // A call that ended just now has no process group.
                let _ = killpg(self.pid, Signal::SIGTERM);
                clock = Clock::Grace(Instant::now() + GRACE);
            }
            let ready = self.wait(clock.left()).step("wait for the call")?;
            if ready.control && !self.read_control()? {
                return Ok(ended_by_the_engine());
            }
            if ready.channel {
                self.read_channel();
            }
            if let Some(broker) = self.broker.as_ref().filter(|_| ready.broker) {
                broker.answer();
            }
            if ready.no_caller {
                self.broker = None;
            }
            if ready.input {
                self.ends.feed();
            }
            if ready.terminal {
                self.ends.listen();
            }
            if ready.errors {
                self.ends.note_errors();
            }
            if self.ends.has_output() && self.ends.speak().is_err() {
                return Ok(ended_by_the_engine());
            }
            if ready.signals
                && let Some(signal) = self.read_signals()
            {
                return Ok(Ended::Lost {
                    cause: format!("signal {signal} stopped the supervisor of the call"),
                });
            }
            if ready.signals
                && let Some(ended) = self.reap()
            {
                return Ok(if matches!(clock, Clock::Grace(_)) { Ended::TimedOut } else { ended });
            }
        }
    }

    /// Waits until a descriptor is ready.
    fn wait(&self, time: Option<Duration>) -> io::Result<Ready> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let mut interests: Vec<(Source, BorrowedFd<'_>, PollFlags)> = Vec::with_capacity(8);
        // Without room for input, only the end of the channel counts. The kernel always reports it.
        let control = if self.ends.takes_input() { PollFlags::IN } else { PollFlags::empty() };
        interests.push((Source::Control, stdin.as_fd(), control));
        interests.push((Source::Signals, self.signals.as_fd(), PollFlags::IN));
        interests
            .extend(self.channel.as_ref().map(|channel| (Source::Channel, channel.as_fd(), PollFlags::IN)));
        interests
            .extend(self.broker.as_ref().map(|broker| (Source::Broker, broker.descriptor(), PollFlags::IN)));
        interests.extend(self.ends.hungry_input().map(|input| (Source::Input, input, PollFlags::OUT)));
        interests.extend(
            self.ends.speaking_terminal().map(|terminal| (Source::Terminal, terminal, PollFlags::IN)),
        );
        interests.extend(self.ends.errors().map(|errors| (Source::Errors, errors, PollFlags::IN)));
        if self.ends.has_output() {
            interests.push((Source::Output, stdout.as_fd(), PollFlags::OUT));
        }
        let mut polled: Vec<PollFd<'_>> = interests
            .iter()
            .map(|(_, descriptor, flags)| PollFd::from_borrowed_fd(*descriptor, *flags))
            .collect();
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut polled, time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = Ready::default();
        for ((source, _, _), polled) in interests.iter().zip(&polled) {
            if !polled.revents().is_empty() {
                ready.note(*source, polled.revents());
            }
        }
        Ok(ready)
    }

    /// Reads input for the child. Returns `false` at the end of the channel.
    fn read_control(&mut self) -> Result<bool, SuperviseError> {
        if !self.control.fill()? {
            return Ok(false);
        }
        self.take_frames()?;
        Ok(true)
    }

    /// Passes the frames on that are complete.
    fn take_frames(&mut self) -> Result<(), SuperviseError> {
        while let Some(frame) = self.control.frame()? {
            self.ends.take(frame);
        }
        Ok(())
    }

    fn read_channel(&mut self) {
        let Some(channel) = &self.channel else { return };
        match channel::receive(channel.as_fd()) {
            Ok(Message::Listener(listener)) => self.broker = Some(Broker::new(listener, &self.policy)),
            Ok(Message::Ended(ended)) => self.failure = Some(ended),
            Ok(Message::Closed) | Err(_) => self.channel = None,
        }
    }

    /// Reads the signals. Returns one that asks this process to end.
    fn read_signals(&self) -> Option<i32> {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = signal.ssi_signo.cast_signed();
            if number != Signal::SIGCHLD as i32 {
                return Some(number);
            }
        }
        None
    }

    /// Takes the status of the children that ended. Returns the end of the call if its first process ended.
    fn reap(&self) -> Option<Ended> {
        loop {
            match descendants::reap() {
                Reaped::One(WaitStatus::Exited(pid, code)) if pid == self.pid => {
                    return Some(Ended::Exited { code });
                }
                Reaped::One(WaitStatus::Signaled(pid, signal, _)) if pid == self.pid => {
                    return Some(Ended::Killed { signal: signal as i32 });
                }
                Reaped::One(_) => {}
                Reaped::NoneEnded => return None,
                Reaped::NoneLeft => return Some(Ended::Lost { cause: "the call has no process".to_owned() }),
            }
        }
    }

    /// Ends all processes of the call, then hands over the last output.
    fn end(&mut self) {
        descendants::end_all(self.reach, || {
            let mut polled = [PollFd::new(&self.signals, PollFlags::IN)];
            let _ = poll(&mut polled, Some(&LOOK_AGAIN));
            while let Ok(Some(_)) = self.signals.read_signal() {}
        });
        while self.channel.is_some() {
            self.read_channel();
        }
        while self.ends.note_errors() {}
        loop {
            let heard = self.ends.listen();
            if self.ends.speak().is_err() || !heard && !self.ends.has_output() {
                return;
            }
            if self.ends.has_output() {
                let (stdin, stdout) = (io::stdin(), io::stdout());
                let output = PollFd::new(&stdout, PollFlags::OUT);
                let mut polled = [PollFd::new(&stdin, PollFlags::empty()), output];
                if poll(&mut polled, None).is_err_and(|error| error != Errno::INTR)
                    || !polled[0].revents().is_empty()
                {
                    return;
                }
            }
        }
    }
}

/// A descriptor that the supervisor waits for.
#[derive(Clone, Copy)]
enum Source {
    Control,
    Signals,
    Channel,
    Broker,
    Input,
    Terminal,
    Errors,
    Output,
}

/// The descriptors that are ready.
#[derive(Default)]
struct Ready {
    control: bool,
    signals: bool,
    channel: bool,
    broker: bool,
    /// No process of the call is left that could ask the broker.
    no_caller: bool,
    input: bool,
    terminal: bool,
    errors: bool,
}

impl Ready {
    fn note(&mut self, source: Source, events: PollFlags) {
        match source {
            Source::Control => self.control = true,
            Source::Signals => self.signals = true,
            Source::Channel => self.channel = true,
            // Without a caller, older kernels would wait for one.
            Source::Broker if events.contains(PollFlags::IN) => self.broker = true,
            Source::Broker => self.no_caller = true,
            Source::Input => self.input = true,
            Source::Terminal => self.terminal = true,
            Source::Errors => self.errors = true,
            Source::Output => {}
        }
    }
}

/// Returns `true` if this process is root, or can become root.
fn holds_root() -> bool {
    nix::unistd::getresuid()
        .map_or(true, |ids| [ids.real, ids.effective, ids.saved].iter().any(|id| id.is_root()))
}

/// Blocks the signals that the supervisor handles, and returns their descriptor.
fn watched() -> nix::Result<SignalFd> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        signals.add(signal);
    }
    signals.thread_block()?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Leaves the output pipe to the call. So the engine sees its end when the last process of the call ended.
fn close_output() -> io::Result<()> {
    Ok(dup2_stdout(fs::OpenOptions::new().write(true).open("/dev/null")?)?)
}

fn ended_by_the_engine() -> Ended {
    Ended::Lost { cause: "the engine ended the call".to_owned() }
}
