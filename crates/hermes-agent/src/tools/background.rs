//! Processes in the background: each belongs to a session, and all end with the agent.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::confinement::Call;
use crate::sandbox::{Ended, Input};

/// The processes that run at one time, of all sessions.
const RUNNING_MAX: usize = 16;

/// The processes that are kept after their end.
const ENDED_MAX: usize = 32;

/// The newest bytes of an output that are kept.
const OUTPUT_MAX: usize = 256 * 1024;

/// The processes of an agent.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    all: Mutex<BTreeMap<u64, Arc<Process>>>,
}

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: String,
    session: String,
    pub(crate) command: String,
    pub(crate) started: Instant,
    pub(crate) input: Input,
    output: Mutex<Tail>,
    ended: watch::Receiver<Option<Ended>>,
    task: JoinHandle<()>,
}

/// The newest part of an output.
#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    /// The bytes before `bytes`.
    dropped: u64,
    /// The bytes that the model has read.
    read: u64,
}

impl Tail {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend(piece);
        let excess = self.bytes.len().saturating_sub(OUTPUT_MAX);
        self.bytes.drain(..excess);
        self.dropped += excess as u64;
    }

    /// Returns the bytes that were not read.
    fn news(&mut self) -> String {
        let skip = usize::try_from(self.read.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        let lost = self.dropped.saturating_sub(self.read);
        let news: Vec<u8> = self.bytes.iter().skip(skip).copied().collect();
        self.read = self.dropped + self.bytes.len() as u64;
        let note = if lost > 0 { format!("[{lost} bytes before this are lost]\n") } else { String::new() };
        note + &String::from_utf8_lossy(&news)
    }

    fn whole(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Processes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Process>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call that runs. Returns its ID.
    ///
    /// # Errors
    /// Too many run. The call ends.
    pub(crate) fn add(&self, session: &str, command: &str, mut call: Call) -> Result<String, String> {
        let mut all = self.lock();
        if all.values().filter(|process| process.ended().is_none()).count() >= RUNNING_MAX {
            return Err(format!(
                "failed to start it: {RUNNING_MAX} processes run in the background; end one of them"
            ));
        }
        let ended: Vec<u64> =
            all.iter().filter(|(_, process)| process.ended().is_some()).map(|(number, _)| *number).collect();
        for number in ended.iter().take((ended.len() + 1).saturating_sub(ENDED_MAX)) {
            all.remove(number);
        }
        let number = all.last_key_value().map_or(1, |(last, _)| last + 1);
        let input = call.running.input();
        let (sender, ended) = watch::channel(None);
        let process = Arc::new_cyclic(|process: &std::sync::Weak<Process>| {
            let process = process.clone();
            let task = tokio::spawn(async move {
                if let Some(mut pipe) = call.running.take_output() {
                    // The drop of the process aborts this task.
                    pipe.each_piece(|piece| match process.upgrade() {
                        Some(process) => {
                            process.tail().push(piece);
                            ControlFlow::Continue(())
                        }
                        None => ControlFlow::Break(()),
                    })
                    .await;
                }
                sender.send_replace(Some(call.running.ended().await));
            });
            Process {
                id: format!("proc_{number}"),
                session: session.to_owned(),
                command: command.to_owned(),
                started: Instant::now(),
                input,
                output: Mutex::default(),
                ended,
                task,
            }
        });
        let id = process.id.clone();
        all.insert(number, process);
        Ok(id)
    }

    /// Returns the processes of a session, oldest first.
    pub(crate) fn of_session(&self, session: &str) -> Vec<Arc<Process>> {
        self.lock().values().filter(|process| process.session == session).cloned().collect()
    }

    /// Returns the process of a session with this ID.
    pub(crate) fn find(&self, session: &str, id: &str) -> Option<Arc<Process>> {
        self.of_session(session).into_iter().find(|process| process.id == id)
    }
}

impl Process {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the end, if it came.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended.borrow().clone()
    }

    /// Waits for the end, at most for `limit`.
    pub(crate) async fn wait(&self, limit: Duration) -> Option<Ended> {
        let mut ended = self.ended.clone();
        let waited = tokio::time::timeout(limit, ended.wait_for(Option::is_some)).await;
        waited.ok().and_then(Result::ok).and_then(|ended| ended.clone())
    }

    /// Returns the output since the last look.
    pub(crate) fn news(&self) -> String {
        self.tail().news()
    }

    /// Returns the newest part of the whole output.
    pub(crate) fn output(&self) -> String {
        self.tail().whole()
    }

    /// Ends it with all that it started.
    pub(crate) fn kill(&self) {
        self.task.abort();
    }

    /// Returns `true` if it was ended by [`Process::kill`].
    pub(crate) fn was_killed(&self) -> bool {
        self.task.is_finished() && self.ended().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_forgets_the_oldest_bytes_and_says_so() {
        let mut tail = Tail::default();
        tail.push(b"first ");
        assert_eq!(tail.news(), "first ");
        assert_eq!(tail.news(), "");
        tail.push(&vec![b'x'; OUTPUT_MAX]);
        tail.push(b"end");
        let news = tail.news();
        assert!(news.starts_with("[3 bytes before this are lost]\n"), "{}", &news[..60]);
        assert!(news.ends_with("end"));
        assert_eq!(tail.whole().len(), OUTPUT_MAX);
    }
}
