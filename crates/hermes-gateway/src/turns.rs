//! The turns that this gateway runs: their limit, their events, their end in a drain.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use hermes_agent::agent::{Agent, SubmitError, Submitted};
use hermes_agent::message::Message;
use hermes_agent::protocol::{Event, StopReason, TurnEnd};
use hermes_agent::question::Person;
use hermes_agent::store::{BeginError, SessionId, StoreError};
use hermes_core::chain;
use tokio::sync::{mpsc, watch};

use crate::agent::AgentHandle;
use crate::http::{Problem, TurnStats};

/// The wait that a refused client is asked for.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The turns of one gateway.
#[derive(Debug)]
pub(crate) struct Turns {
    limit: usize,
    /// The number of turns that run or begin.
    count: watch::Sender<usize>,
    sessions: Mutex<HashSet<SessionId>>,
    is_draining: AtomicBool,
    is_stopping: AtomicBool,
    pub(crate) stats: TurnStats,
}

/// The permission to run one turn.
#[derive(Debug)]
pub(crate) struct Permit {
    turns: Arc<Turns>,
}

/// The fate of a session after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It stays.
    Keep,
    /// It is deleted: the client holds the conversation.
    Delete,
}

/// A turn that runs. If it is dropped before its end, the turn is interrupted.
pub(crate) struct Running {
    turns: Arc<Turns>,
    agent: Arc<Agent>,
    session: SessionId,
    steps: mpsc::UnboundedReceiver<Step>,
    is_over: bool,
}

/// A step of a running turn.
#[derive(Debug)]
pub(crate) enum Step {
    /// An event other than the end.
    Event(Event),
    /// The end.
    End(Result<TurnEnd, Problem>),
}

impl Turns {
    /// Allows `limit` turns at one time.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            count: watch::Sender::new(0),
            sessions: Mutex::default(),
            is_draining: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            stats: TurnStats::default(),
        })
    }

    /// Returns the number of turns, which changes.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Refuses new turns from now on.
    pub(crate) fn begin_drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Interrupts all turns. Their clients are asked to retry. Returns `false` if none runs.
    pub(crate) fn interrupt_all(&self, agent: &AgentHandle) -> bool {
        self.is_stopping.store(true, Ordering::Relaxed);
        if let Some(agent) = agent.opened() {
            agent.interrupt_all();
        }
        *self.count.borrow() > 0
    }

    /// Waits until no turn runs.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Takes a permission for a turn.
    ///
    /// # Errors
    /// The gateway drains, or all turns of the limit run.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, Problem> {
        if self.is_draining.load(Ordering::Relaxed) {
            return Err(Problem::draining());
        }
        let is_admitted = self.count.send_if_modified(|count| {
            let fits = *count < self.limit;
            *count += usize::from(fits);
            fits
        });
        if is_admitted {
            return Ok(Permit { turns: Arc::clone(self) });
        }
        let message = format!(
            "{} turns run, and gateway.api_server.max_concurrent_runs allows no more; wait for the end of one",
            self.limit
        );
        Err(Problem::rate_limit(message, RETRY_AFTER))
    }

    /// Tells whether a turn of the session runs in this gateway.
    pub(crate) fn is_running(&self, session: &SessionId) -> bool {
        self.sessions().contains(session)
    }

    fn sessions(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.turns.count.send_modify(|count| *count -= 1);
    }
}

impl Permit {
    /// Begins a turn of `session` in a task of its own.
    ///
    /// # Errors
    /// A turn of the session runs in this gateway.
    pub(crate) fn start(
        self,
        agent: &Arc<Agent>,
        session: &SessionId,
        message: Message,
        person: Person,
        afterwards: Afterwards,
    ) -> Result<Running, Problem> {
        let turns = Arc::clone(&self.turns);
        if !turns.sessions().insert(session.clone()) {
            return Err(busy(&format!(
                "failed to begin a turn: one of session {session} runs in this gateway"
            )));
        }
        let (sender, steps) = mpsc::unbounded_channel();
        let task = run(self, Arc::clone(agent), session.clone(), message, person, afterwards, sender);
        tokio::spawn(task);
        Ok(Running { turns, agent: Arc::clone(agent), session: session.clone(), steps, is_over: false })
    }
}

async fn run(
    permit: Permit,
    agent: Arc<Agent>,
    session: SessionId,
    message: Message,
    person: Person,
    afterwards: Afterwards,
    steps: mpsc::UnboundedSender<Step>,
) {
    let turns = &permit.turns;
    let mut observer = turns.stats.observer();
    let mut report = |event: Event| {
        observer.see(&event);
        if !matches!(event, Event::TurnEnded(_)) {
            // A client that went away reads nothing.
            let _ = steps.send(Step::Event(event));
        }
    };
    let sent = agent.send(&session, message, person, &mut report).await;
    let end = match sent {
        Ok(Submitted::Ended(end)) if is_cut_off(turns, &end) => Err(Problem::draining()),
        Ok(Submitted::Ended(end)) => Problem::of_turn(&end).map_or(Ok(end), Err),
        Ok(Submitted::Steered) => Err(busy("failed to begin a turn: one runs, and the message went into it")),
        Err(error) => Err(of_submit(&error)),
    };
    if afterwards == Afterwards::Delete
        && let Err(error) = agent.store().delete(&session).await
    {
        crate::say::warn(format_args!("failed to delete the session of a request: {}", chain(&error)));
    }
    turns.sessions().remove(&session);
    let _ = steps.send(Step::End(end));
}

/// Tells whether the end of the gateway interrupted the turn.
fn is_cut_off(turns: &Turns, end: &TurnEnd) -> bool {
    end.reason == StopReason::Cancelled && turns.is_stopping.load(Ordering::Relaxed)
}

fn busy(message: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "session_busy", message).with_retry_after(RETRY_AFTER)
}

/// Adds a message to the running turn of a session: it answers a question, or goes in before the next model call. Returns the end if the
/// turn has just ended, and the message began another one.
///
/// # Errors
/// Too many messages wait, or the store failed.
pub(crate) async fn steer(
    agent: &Arc<Agent>,
    session: &SessionId,
    message: Message,
) -> Result<Option<TurnEnd>, Problem> {
    let (agent, session) = (Arc::clone(agent), session.clone());
    // A task: a turn must not be dropped. Nobody reads the events of one that begins here.
    let sent = tokio::spawn(async move { agent.send(&session, message, Person::Absent, &mut |_| {}).await });
    match sent.await {
        Ok(Ok(Submitted::Steered)) => Ok(None),
        Ok(Ok(Submitted::Ended(end))) => Problem::of_turn(&end).map_or(Ok(Some(end)), Err),
        Ok(Err(error)) => Err(of_submit(&error)),
        Err(_) => Err(ended_early()),
    }
}

fn ended_early() -> Problem {
    let message = "failed to run the turn: its task ended early";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
}

fn of_submit(error: &SubmitError) -> Problem {
    match error {
        SubmitError::Begin(BeginError::Busy { .. }) | SubmitError::Full => busy(&chain(error)),
        SubmitError::Begin(BeginError::Store(error)) => Problem::of_store(error),
    }
}

impl Problem {
    /// Returns the error of a store that failed.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        let (status, code) = match error {
            StoreError::UnknownSession { .. } => (StatusCode::NOT_FOUND, "session_not_found"),
            StoreError::NameTaken { .. } => (StatusCode::CONFLICT, "name_taken"),
            StoreError::TurnRuns { .. } => (StatusCode::CONFLICT, "session_busy"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        };
        Self::new(status, code, chain(error))
    }
}

impl Running {
    /// Waits for the next step. Returns `None` after the end.
    pub(crate) async fn next(&mut self) -> Option<Step> {
        if self.is_over {
            return None;
        }
        let step = self.steps.recv().await.unwrap_or_else(|| Step::End(Err(ended_early())));
        self.is_over = matches!(step, Step::End(_));
        Some(step)
    }

    /// Waits for the end of the turn.
    pub(crate) async fn end(mut self) -> Result<TurnEnd, Problem> {
        loop {
            if let Some(Step::End(end)) = self.next().await {
                return end;
            }
        }
    }

    /// Interrupts the turn.
    pub(crate) fn interrupt(&self) {
        self.agent.interrupt(&self.session);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over && self.turns.is_running(&self.session) {
            self.interrupt();
        }
    }
}
