//! The engine: it runs the turns of one agent. It knows nothing of profiles and surfaces.
//!
//! [`turn`] decides, without I/O. The driver performs its effects.

mod compact;
mod driver;
mod spending;
mod tool_run;
pub mod turn;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, mpsc};

use crate::compaction::Gains;
use crate::engine::driver::Driver;
use crate::engine::tool_run::TOOLS_SIDE_BY_SIDE;
use crate::message::{Message, ToolCall};
use crate::protocol::{Event, StopReason, Submission, TurnEnd};
use crate::provider::{ModelRequest, Provider};
use crate::repair::sendable;
use crate::settings::{Budget, Compression};
use crate::store::{BeginError, Change, Owner, RunState, SessionId, Store, StoreError, TurnId};
use crate::tokens::Estimator;
use crate::tools::{Effect, Toolbox};

pub use compact::{CompactError, Lengths};

/// The parts that all turns of an agent share.
pub struct Engine {
    store: Store,
    owner: Owner,
    /// The default model, then its fallbacks.
    models: Vec<Arc<dyn Provider>>,
    tools: Toolbox,
    limits: EngineLimits,
    estimator: Mutex<Estimator>,
    /// The gains of the sessions that this process compacted.
    gains: Mutex<HashMap<SessionId, Gains>>,
    gate: Semaphore,
    /// Turns of this process whose end could not be stored. The next turn of their session ends them.
    unended: Mutex<HashMap<SessionId, TurnId>>,
}

/// The limits of an engine.
#[derive(Clone, Debug)]
pub struct EngineLimits {
    /// The most model calls of a turn.
    pub model_calls: u32,
    /// The context of the default model, in tokens.
    pub context_length: u64,
    /// The longest answer of the default model, in tokens, if it is configured.
    pub answer_length: Option<u64>,
    /// The rules of compaction.
    pub compression: Compression,
    /// The budget.
    pub budget: Budget,
}

impl Engine {
    /// Creates an engine. `models` has the default model first.
    pub fn new(
        store: Store,
        owner: Owner,
        models: Vec<Arc<dyn Provider>>,
        tools: Toolbox,
        limits: EngineLimits,
    ) -> Self {
        let gate = Semaphore::new(TOOLS_SIDE_BY_SIDE as usize);
        Self {
            store,
            owner,
            models,
            tools,
            limits,
            estimator: Mutex::default(),
            gains: Mutex::default(),
            gate,
            unended: Mutex::default(),
        }
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns this process as an owner of turns.
    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Returns the tools.
    pub fn tools(&self) -> &Toolbox {
        &self.tools
    }

    /// Runs a turn of `session` with this message, to its end. `inbox` may steer or interrupt it. If the future is dropped, the turn
    /// stays open, as after a crash: interrupt it instead.
    ///
    /// # Errors
    /// Another process runs a turn of the session, or the store failed.
    pub async fn run_turn(
        &self,
        session: &SessionId,
        message: Message,
        inbox: &mut mpsc::Receiver<Submission>,
        events: &mut (dyn FnMut(Event) + Send),
    ) -> Result<TurnEnd, BeginError> {
        self.end_unended(session).await?;
        let turn = self.store.begin_turn(session, &self.owner, message).await?;
        let compaction_due = self.compaction_is_due(session, self.store.last_usage(session).await?);
        let driver = Driver::new(self, session.clone(), turn, events);
        let ended = driver.run(compaction_due, inbox).await;
        if ended.is_err() {
            self.unended().insert(session.clone(), turn);
        }
        Ok(ended?)
    }

    /// Ends the turn of `session` whose store failed, so that another one can begin.
    async fn end_unended(&self, session: &SessionId) -> Result<(), StoreError> {
        let turn = self.unended().get(session).copied();
        let Some(turn) = turn else { return Ok(()) };
        let ended = self.store.end_turn(turn, StopReason::Failed, None).await;
        if let Ok(()) | Err(StoreError::TurnNotOpen { .. }) = ended {
            self.unended().remove(session);
            return Ok(());
        }
        ended
    }

    fn unended(&self) -> MutexGuard<'_, HashMap<SessionId, TurnId>> {
        self.unended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds the request for the conversation as it is stored.
    async fn request(&self, session: &SessionId) -> Result<ModelRequest, StoreError> {
        let system = self.store.prompt(session).await?;
        let stored = self.store.conversation(session).await?;
        let messages = sendable(stored.into_iter().map(|stored| stored.message).collect());
        Ok(ModelRequest { system, messages, tools: self.tools.schemas(), ..ModelRequest::default() })
    }

    fn estimator(&self) -> MutexGuard<'_, Estimator> {
        self.estimator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn planned(&self, call: &ToolCall) -> Change {
        self.run_state(call, RunState::Planned)
    }

    fn started(&self, call: &ToolCall) -> Change {
        self.run_state(call, RunState::Started)
    }

    fn ended(&self, call: &ToolCall) -> Change {
        self.run_state(call, RunState::Done)
    }

    fn run_state(&self, call: &ToolCall, state: RunState) -> Change {
        let effect = self.tools.find(&call.name).map_or(Effect::None, |tool| tool.effect());
        Change::Run { call_id: call.id.clone(), tool: call.name.clone(), state, effect }
    }
}

#[cfg(test)]
mod tests;
