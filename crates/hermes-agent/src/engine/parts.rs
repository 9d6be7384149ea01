//! The parts of an engine: store, models, tools, limits, and the state that its turns share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::compaction::Gains;
use crate::message::ToolCall;
use crate::provider::{ModelRequest, Provider};
use crate::repair::sendable;
use crate::settings::{Budget, Compression};
use crate::store::{Change, Owner, RunState, SessionId, Store, StoreError, TurnId};
use crate::tokens::Estimator;
use crate::tools::{Effect, Rules, Toolbox};

/// The number of reading tools that run side by side. A writing tool takes all places.
pub(super) const TOOLS_SIDE_BY_SIDE: u32 = 8;

/// The parts that all turns of an agent share.
pub struct Engine {
    pub(super) store: Store,
    pub(super) owner: Owner,
    /// The default model, then its fallbacks.
    pub(super) models: Vec<Arc<dyn Provider>>,
    pub(super) tools: Toolbox,
    pub(super) limits: EngineLimits,
    pub(super) estimator: Mutex<Estimator>,
    /// The gains of the sessions that this process compacted.
    pub(super) gains: Mutex<HashMap<SessionId, Gains>>,
    pub(super) gate: Semaphore,
    pub(super) rules: Rules,
    /// Wakes the calls that wait for an answer.
    pub(super) answers: Notify,
    /// Turns of this process whose end could not be stored. The next turn of their session ends them.
    pub(super) unended: Mutex<HashMap<SessionId, TurnId>>,
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
        rules: Rules,
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
            rules,
            answers: Notify::new(),
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

    pub(super) fn unended(&self) -> MutexGuard<'_, HashMap<SessionId, TurnId>> {
        self.unended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds the request for the conversation as it is stored.
    pub(super) async fn request(&self, session: &SessionId) -> Result<ModelRequest, StoreError> {
        let system = self.store.prompt(session).await?;
        let stored = self.store.conversation(session).await?;
        let messages = sendable(stored.into_iter().map(|stored| stored.message).collect());
        Ok(ModelRequest { system, messages, tools: self.tools.schemas(), ..ModelRequest::default() })
    }

    pub(super) fn estimator(&self) -> MutexGuard<'_, Estimator> {
        self.estimator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn planned(&self, call: &ToolCall) -> Change {
        self.run_state(call, RunState::Planned)
    }

    pub(super) fn started(&self, call: &ToolCall) -> Change {
        self.run_state(call, RunState::Started)
    }

    pub(super) fn ended(&self, call: &ToolCall) -> Change {
        self.run_state(call, RunState::Done)
    }

    fn run_state(&self, call: &ToolCall, state: RunState) -> Change {
        let effect = self.tools.find(&call.name).map_or(Effect::None, |(_, tool)| tool.effect());
        Change::Run { call_id: call.id.clone(), tool: call.name.clone(), state, effect }
    }
}
