//! Waiting for children, for a request to stop and for the end of the tree, without polling. Each wait can have a deadline.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};

use crate::forwarder::Forwarder;
use crate::signals::{self, SignalReader};

/// The signals that ask for an orderly stop.
pub(crate) const STOP_SIGNALS: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

/// Sent to the booter by `finish`, when the supervision tree has ended.
pub(crate) const TREE_ENDED: Signal = Signal::USR1;

/// The signals that [`Children`] reads from a descriptor. They interrupt no call.
pub(crate) const WATCHED_SIGNALS: [Signal; 6] =
    [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, TREE_ENDED, Signal::CHILD];

/// The reason why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The child ended with this exit code (128+N for signal N).
    Ended(u8),
    /// Somebody asked for a stop.
    Stop,
    /// The supervision tree has ended.
    TreeEnded,
    /// The deadline passed.
    TimedOut,
}

/// The children of this process and the requests to it.
pub(crate) struct Children {
    signals: SignalReader,
    ended: HashMap<Pid, u8>,
    stop: Option<Signal>,
    tree_ended: bool,
    none_left: bool,
    forwarder: Option<Forwarder>,
}

impl Drop for Children {
    fn drop(&mut self) {
        let _ = signals::unblock(&WATCHED_SIGNALS);
    }
}

impl Children {
    /// Blocks the watched signals, and reads them from a descriptor.
    pub(crate) fn watch() -> Result<Self> {
        signals::block(&WATCHED_SIGNALS).context("failed to block signals")?;
        let signals = SignalReader::new(&WATCHED_SIGNALS).context("failed to watch signals")?;
        Ok(Self {
            signals,
            ended: HashMap::new(),
            stop: None,
            tree_ended: false,
            none_left: false,
            forwarder: None,
        })
    }

    /// Restarts the forwarder from now on when it ends.
    pub(crate) fn keep(&mut self, forwarder: Forwarder) {
        self.forwarder = Some(forwarder);
    }

    /// Returns the signal that asked for a stop, if there was one.
    pub(crate) fn stop_requested(&self) -> Option<Signal> {
        self.stop
    }

    /// Forgets the requests so far: they do not end later waits.
    pub(crate) fn forget_requests(&mut self) {
        self.stop = None;
        self.tree_ended = false;
    }

    /// Tells if `finish` has reported the end of the tree.
    pub(crate) fn tree_has_ended(&self) -> bool {
        self.tree_ended
    }

    /// Waits for one child. Returns earlier at the deadline, or if somebody asks for a stop.
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

    /// Waits until `done`, regardless of requests. Returns `false` if the deadline passes first.
    pub(crate) fn wait_until(&mut self, deadline: Option<Instant>, done: impl Fn(&mut Self) -> bool) -> bool {
        while !done(self) {
            if !self.next_event(deadline) {
                return false;
            }
        }
        true
    }

    /// Tells if no child is left, of those that this process started or inherited.
    pub(crate) fn none_left(&mut self) -> bool {
        self.reap();
        self.none_left
    }

    /// Returns the exit code of a child that has ended.
    pub(crate) fn code_of(&self, child: Pid) -> Option<u8> {
        self.ended.get(&child).copied()
    }

    /// Ends a child's process group: sends SIGTERM, and SIGKILL after `grace`.
    pub(crate) fn end_group(&mut self, child: Pid, grace: Duration) {
        let _ = kill_process_group(child, Signal::TERM);
        let _ = kill_process_group(child, Signal::CONT);
        let deadline = Some(Instant::now() + grace);
        if !self.wait_until(deadline, |children| children.code_of(child).is_some()) {
            let _ = kill_process_group(child, Signal::KILL);
            self.wait_until(None, |children| children.code_of(child).is_some());
        }
    }

    /// Handles the next event, and waits for it. Returns `false` if the deadline has passed.
    fn next_event(&mut self, deadline: Option<Instant>) -> bool {
        let timeout = match deadline {
            None => None,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                // A time that the kernel cannot express is as good as no limit.
                Timespec::try_from(left).ok()
            }
        };
        let mut descriptors = [PollFd::new(&self.signals, PollFlags::IN)];
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
        while let Some(signal) = self.signals.read() {
            match signal {
                Signal::CHILD => self.reap(),
                TREE_ENDED => self.tree_ended = true,
                signal => self.stop = Some(self.stop.unwrap_or(signal)),
            }
        }
        true
    }

    fn reap(&mut self) {
        loop {
            let (child, status) = match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some(ended)) => ended,
                Err(Errno::CHILD) => {
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
                self.ended.insert(child, signal_exit_code(signal));
            } else if status.stopping_signal() == Some(Signal::TSTP.as_raw()) {
                // Ctrl-Z: no shell around the command could ever continue it.
                let _ = kill_process_group(child, Signal::CONT);
            }
        }
    }
}

/// Returns 128+N, the exit code that a shell reports for signal N.
pub(crate) fn signal_exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawn::{self, SpawnOptions};
    use rstest::rstest;
    use std::process::Command;

    #[rstest]
    #[case("exit 0", 0)]
    #[case("exit 255", 255)]
    #[case("kill -9 $$", 137)]
    #[case("kill -64 $$", 192)]
    fn exit_code_is_the_one_of_a_shell(#[case] script: &str, #[case] code: u8) {
        // A process of its own: the wait takes every child, those of other tests included.
        let tester = spawn::fork(|| {
            let mut children = Children::watch().unwrap();
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            let child =
                spawn::spawn(command, SpawnOptions { own_group: true, ..SpawnOptions::default() }).unwrap();
            let deadline = Some(Instant::now() + Duration::from_secs(10));
            u8::from(children.wait_or_stop(child, deadline) != Waited::Ended(code))
        })
        .unwrap();
        let (_, status) = rustix::process::waitpid(Some(tester), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(0));
    }
}
