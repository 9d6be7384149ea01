//! The runs of this gateway with their events.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::clock::seconds;
use super::run_events::RunEvents;
use super::sse::Frames;
use crate::turns::{Running, Step};

/// The most runs that are kept. A run that ended leaves first.
const RUNS_MAX: usize = 100;

/// The runs of one gateway, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: Mutex<VecDeque<Arc<Run>>>,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Run {
    id: String,
    session: String,
    created: u64,
    log: Mutex<Log>,
    length: watch::Sender<usize>,
    stop: Notify,
}

/// The history of a run.
#[derive(Debug, Default)]
struct Log {
    frames: String,
    /// The end: its word, and the fields of the run that it sets.
    end: Option<(&'static str, Value)>,
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Run>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a run of a session.
    pub(crate) fn add(&self, session: String) -> Arc<Run> {
        let random = getrandom::u64().unwrap_or_default();
        let run = Arc::new(Run {
            id: format!("run_{random:016x}"),
            session,
            created: seconds(),
            log: Mutex::default(),
            length: watch::Sender::new(0),
            stop: Notify::new(),
        });
        let mut runs = self.lock();
        if runs.len() >= RUNS_MAX
            && let Some(ended) = runs.iter().position(|run| run.log().end.is_some())
        {
            runs.remove(ended);
        }
        runs.push_back(Arc::clone(&run));
        run
    }

    /// Returns the runs of `session`, or of all sessions, newest first.
    pub(crate) fn newest(&self, session: Option<&str>) -> Vec<Arc<Run>> {
        let is_wanted = |run: &&Arc<Run>| session.is_none_or(|session| run.session == session);
        self.lock().iter().rev().filter(is_wanted).cloned().collect()
    }

    /// Returns the run of this ID.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Run>> {
        self.lock().iter().find(|run| run.id == id).cloned()
    }
}

impl Run {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the session.
    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// Asks the run to stop. A run that ended ignores it.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Returns the length of the frames, which changes.
    pub(crate) fn changes(&self) -> watch::Receiver<usize> {
        self.length.subscribe()
    }

    /// Returns the frames from this byte on, and `true` if the run has ended.
    pub(crate) fn frames_from(&self, sent: usize) -> (String, bool) {
        let log = self.log();
        (log.frames.get(sent..).unwrap_or_default().to_owned(), log.end.is_some())
    }

    /// Returns the run as JSON.
    pub(crate) fn document(&self) -> Value {
        let log = self.log();
        let mut document = json!({
            "object": "hermes.run",
            "run_id": self.id,
            "session_id": self.session,
            "status": log.end.as_ref().map_or("running", |(status, _)| *status),
            "created_at": self.created,
        });
        if let (Some((_, Value::Object(fields))), Some(document)) = (&log.end, document.as_object_mut()) {
            document.extend(fields.clone());
        }
        document
    }

    fn push(&self, name: &str, data: &Value, end: Option<(&'static str, Value)>) {
        let mut frames = Frames::default();
        frames.named(name, data);
        let length = {
            let mut log = self.log();
            log.frames.push_str(&frames.take());
            log.end = end;
            log.frames.len()
        };
        self.length.send_replace(length);
    }
}

/// Records the events of a run to its end.
pub(crate) async fn follow(run: Arc<Run>, mut running: Running) {
    loop {
        let step = tokio::select! {
            step = running.next() => step,
            () = run.stop.notified() => {
                running.interrupt();
                continue;
            }
        };
        match step {
            Some(Step::Event(event)) => {
                if let Some((name, mut data)) = RunEvents::of_event(&event) {
                    data["run_id"] = run.id.as_str().into();
                    run.push(name, &data, None);
                }
            }
            Some(Step::End(end)) => {
                let (name, mut data) = RunEvents::of_end(&run.session, end.as_ref());
                data["run_id"] = run.id.as_str().into();
                let end = match &end {
                    Ok(end) if end.reason == hermes_agent::protocol::StopReason::Cancelled => {
                        ("cancelled", json!({ "output": end.text, "usage": end.usage }))
                    }
                    Ok(end) => {
                        let fields = json!({ "output": end.text, "usage": end.usage, "reason": end.reason });
                        ("completed", fields)
                    }
                    Err(problem) => ("failed", problem.document()),
                };
                return run.push(name, &data, Some(end));
            }
            None => return,
        }
    }
}
