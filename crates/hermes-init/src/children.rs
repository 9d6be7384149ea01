//! Waiting: for children, for a request to stop, for the end of the tree,
//! always with a deadline where there is one. Nothing is polled.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait};
use std::os::fd::AsFd;

use crate::forwarder::Forwarder;

/// The signals that ask for an orderly stop.
pub(crate) const STOP_SIGNALS: [Signal; 4] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

/// Sent to the booter by `finish`, when the supervision tree has ended.
pub(crate) const TREE_ENDED: Signal = Signal::SIGUSR1;

/// Why a wait came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The child ended, with this exit code (128+N for signal N).
    Ended(u8),
    /// A stop was asked for.
    Stop,
    /// The supervision tree is gone.
    TreeEnded,
    /// The deadline passed.
    TimedOut,
}

/// The children of this process and the requests to it.
pub(crate) struct Children {
    signals: SignalFd,
    ended: HashMap<Pid, u8>,
    stop: Option<Signal>,
    tree_ended: bool,
    none_left: bool,
    forwarder: Option<Forwarder>,
}

impl Drop for Children {
    fn drop(&mut self) {
        let _ = watched_signals().thread_unblock();
    }
}

/// Everything that [`Children`] reads from a descriptor instead of being interrupted by it.
pub(crate) fn watched_signals() -> SigSet {
    let mut set = SigSet::empty();
    for signal in STOP_SIGNALS {
        set.add(signal);
    }
    set.add(TREE_ENDED);
    set.add(Signal::SIGCHLD);
    set
}

impl Children {
    /// From now on the watched signals are blocked and read here.
    pub(crate) fn watch() -> Result<Self> {
        let set = watched_signals();
        set.thread_block().context("cannot block signals")?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("cannot watch signals")?;
        Ok(Self {
            signals,
            ended: HashMap::new(),
            stop: None,
            tree_ended: false,
            none_left: false,
            forwarder: None,
        })
    }

    /// From now on the forwarder is started again when it ends.
    pub(crate) fn keep(&mut self, forwarder: Forwarder) {
        self.forwarder = Some(forwarder);
    }

    /// The signal that asked for a stop, if one did.
    pub(crate) fn stop_requested(&self) -> Option<Signal> {
        self.stop
    }

    /// From now on a request that came before is no reason to come back.
    pub(crate) fn forget_requests(&mut self) {
        self.stop = None;
        self.tree_ended = false;
    }

    /// Whether `finish` has said that the tree is gone.
    pub(crate) fn tree_has_ended(&self) -> bool {
        self.tree_ended
    }

    /// Waits for one child, until the deadline, or until a stop is asked for.
    pub(crate) fn wait_or_stop(&mut self, child: Pid, deadline: Option<Instant>) -> Waited {
        loop {
            if let Some(&code) = self.ended.get(&child) {
                return Waited::Ended(code);
            }
            if self.stop.is_some() {
                return Waited::Stop;
            }
            if self.tree_ended {
                return Waited::TreeEnded;
            }
            if !self.next_event(deadline) {
                return Waited::TimedOut;
            }
        }
    }

    /// Waits until `done`, whatever is asked for meanwhile; `false` when the deadline passed first.
    pub(crate) fn wait_until(&mut self, deadline: Option<Instant>, done: impl Fn(&mut Self) -> bool) -> bool {
        while !done(self) {
            if !self.next_event(deadline) {
                return false;
            }
        }
        true
    }

    /// Whether no child is left, of those that this process started or inherited.
    pub(crate) fn none_left(&mut self) -> bool {
        self.reap();
        self.none_left
    }

    /// The exit code of a child that ended.
    pub(crate) fn code_of(&self, child: Pid) -> Option<u8> {
        self.ended.get(&child).copied()
    }

    /// Ends a child's process group: SIGTERM, then SIGKILL when `grace` is over.
    pub(crate) fn end_group(&mut self, child: Pid, grace: Duration) {
        let _ = killpg(child, Signal::SIGTERM);
        let _ = killpg(child, Signal::SIGCONT);
        let deadline = Some(Instant::now() + grace);
        if !self.wait_until(deadline, |children| children.code_of(child).is_some()) {
            let _ = killpg(child, Signal::SIGKILL);
            self.wait_until(None, |children| children.code_of(child).is_some());
        }
    }

    /// Handles what has come, or waits for the next; `false` when the deadline passed.
    fn next_event(&mut self, deadline: Option<Instant>) -> bool {
        let timeout = match deadline {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                // Rounded up: waking early would spin.
                let milliseconds = left.as_millis() + 1;
                PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut descriptors = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Ok(0) | Err(Errno::EINTR) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
        while let Ok(Some(information)) = self.signals.read_signal() {
            let number = i32::try_from(information.ssi_signo).unwrap_or_default();
            match Signal::try_from(number) {
                Ok(Signal::SIGCHLD) => self.reap(),
                Ok(TREE_ENDED) => self.tree_ended = true,
                Ok(signal) => self.stop = Some(self.stop.unwrap_or(signal)),
                Err(_) => {}
            }
        }
        true
    }

    fn reap(&mut self) {
        loop {
            // Of rustix: nix loses a child that a real-time signal killed, since it has no name for it.
            let (child, status) = match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((child, status))) => (Pid::from_raw(child.as_raw_nonzero().get()), status),
                Err(rustix::io::Errno::CHILD) => {
                    self.none_left = true;
                    return;
                }
                Ok(None) | Err(_) => return,
            };
            if status.stopping_signal().is_none()
                && let Some(forwarder) = &mut self.forwarder
            {
                forwarder.ended(child);
            }
            if let Some(code) = status.exit_status() {
                self.ended.insert(child, u8::try_from(code & 0xff).unwrap_or(u8::MAX));
            } else if let Some(signal) = status.terminating_signal() {
                self.ended.insert(child, code_of_signal(signal));
            } else if status.stopping_signal() == Some(Signal::SIGTSTP as i32) {
                // Ctrl-Z: there is no shell around the command that could ever continue it.
                let _ = kill(Pid::from_raw(-child.as_raw()), Signal::SIGCONT);
            }
        }
    }
}

/// 128+N, as a shell says it.
pub(crate) fn code_of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawn::{self, Traits};
    use rstest::rstest;
    use std::process::Command;

    #[rstest]
    #[case("exit 0", 0)]
    #[case("exit 255", 255)]
    #[case("kill -9 $$", 137)]
    #[case("kill -64 $$", 192)]
    fn a_child_ends_with_the_code_that_a_shell_would_give(#[case] script: &str, #[case] code: u8) {
        // In a process of its own: waiting takes every child, those of other tests too.
        let tester = spawn::fork(|| {
            let mut children = Children::watch().unwrap();
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            let child = spawn::spawn(command, Traits { own_group: true, ..Traits::default() }).unwrap();
            let deadline = Some(Instant::now() + Duration::from_secs(10));
            u8::from(children.wait_or_stop(child, deadline) != Waited::Ended(code))
        })
        .unwrap();
        let (_, status) =
            rustix::process::waitpid(rustix::process::Pid::from_raw(tester.as_raw()), WaitOptions::empty())
                .unwrap()
                .unwrap();
        assert_eq!(status.exit_status(), Some(0));
    }
}
