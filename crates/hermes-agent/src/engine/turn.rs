//! The state machine of a turn: (state, event) → (state, effects). It does no I/O and reads no clock.
//!
//! The driver performs the effects in order. It must have performed all effects of one event before it passes the next one. An event
//! that does not fit the state has no effect. The driver may deliver an answer that was on its way when the turn was interrupted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::message::{Message, ToolCall, ToolResult, Usage};
use crate::protocol::{StopReason, TurnError};
use crate::provider::{ErrorClass, Finish, ProviderError};

/// The longest time that one model may make a turn wait, before a fallback or the end.
pub const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The longest wait between two attempts, unless the server asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The result of a call that was interrupted while it ran.
pub const INTERRUPTED_CALL: &str =
    "The user interrupted the turn while this ran. It may have taken effect; check before repeating.";

/// The limits of a turn.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most model calls of a turn (`agent.max_turns`).
    pub model_calls: u32,
    /// The number of models: the default and its fallbacks. At least 1.
    pub models: usize,
}

/// An event of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnEvent {
    /// The turn is stored.
    Started {
        /// `true` if the history must be compacted before the first call.
        compaction_due: bool,
    },
    /// The model sent the first piece that the user can see.
    Visible,
    /// The model answered.
    Answered {
        /// The assistant's message.
        message: Message,
        /// The reason for its end.
        finish: Finish,
        /// The reported tokens.
        usage: Option<Usage>,
        /// `true` if the history must be compacted before the next call.
        compaction_due: bool,
    },
    /// The model call failed.
    Failed(ProviderError),
    /// The budget allows no call.
    OverBudget {
        /// A sentence that says when it resets.
        message: String,
    },
    /// The wait is over.
    WaitOver,
    /// A tool ended.
    ToolEnded {
        /// Its result.
        result: ToolResult,
        /// The model repeats itself too often: the turn ends with this sentence.
        stop: Option<String>,
    },
    /// The history is compacted.
    Compacted {
        /// `true` if it is shorter now.
        gained: bool,
    },
    /// The history could not be compacted.
    CompactionFailed(ProviderError),
    /// A message came for the session.
    Input(Message),
    /// Somebody interrupts the turn.
    Interrupt,
}

/// An effect of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Call the model with the conversation as it is stored.
    CallModel {
        /// The index of the model.
        model: usize,
        /// The attempt of this call, from 1.
        attempt: u32,
        /// `true` if no reasoning may go back.
        without_reasoning: bool,
    },
    /// Drop the running model call. Store the text that it sent, if there is any, as an interrupted message.
    StopModel,
    /// Store the assistant's message. Its calls are stored as planned, in the same transaction.
    StoreAnswer {
        /// The message.
        message: Message,
        /// Its tokens.
        usage: Option<Usage>,
    },
    /// Run these calls. Reading tools run side by side.
    RunTools(Vec<ToolCall>),
    /// Drop the running tools.
    StopTools,
    /// Store the result of a call.
    StoreResult(ToolResult),
    /// Wait, and add a random share if `jitter` is set.
    Wait {
        /// The shortest time.
        at_least: Duration,
        /// `true` unless the server named the time.
        jitter: bool,
        /// The cause, for the user.
        cause: String,
    },
    /// Tell that a fallback takes over.
    FallBack {
        /// The cause, for the user.
        cause: String,
    },
    /// Store a message that waits for the next model call.
    QueueInput(Message),
    /// Move the waiting messages into the conversation.
    TakeInputs,
    /// Compact the history.
    Compact {
        /// `true` if the server found the prompt too long.
        too_long: bool,
    },
    /// Drop the running compaction.
    StopCompaction,
    /// End the turn.
    End {
        /// The reason.
        reason: StopReason,
        /// The cause, if it failed.
        error: Option<TurnError>,
    },
}

/// The state of a turn.
#[derive(Clone, Debug, PartialEq)]
enum State {
    /// Before the first event.
    New,
    /// A model call runs.
    Calling {
        /// The user has seen a piece of the answer.
        visible: bool,
    },
    /// The next attempt waits.
    Waiting,
    /// Tools run.
    RunningTools {
        /// The calls without a result, by ID.
        open: BTreeMap<String, ToolCall>,
        /// The sentence of the loop guard, once it spoke.
        stop: Option<String>,
    },
    /// The history is being compacted.
    Compacting {
        /// The error that made it necessary. `None` if it was due.
        because: Option<ProviderError>,
    },
    /// The turn ended.
    Ended,
}

/// A turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    state: State,
    model_calls_left: u32,
    models: usize,
    model: usize,
    attempt: u32,
    waited: Duration,
    bad_answers: u32,
    without_reasoning: bool,
    compacted_for_length: bool,
    compaction_due: bool,
    has_inputs: bool,
}

impl Turn {
    /// Returns a turn that has not started.
    pub fn new(limits: Limits) -> Self {
        Self {
            state: State::New,
            model_calls_left: limits.model_calls,
            models: limits.models,
            model: 0,
            attempt: 0,
            waited: Duration::ZERO,
            bad_answers: 0,
            without_reasoning: false,
            compacted_for_length: false,
            compaction_due: false,
            has_inputs: false,
        }
    }

    /// Returns `true` once the turn has ended.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes an event, and returns the effects to perform, in order.
    pub fn on(&mut self, event: TurnEvent) -> Vec<Effect> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        match (state, event) {
            (State::Ended, _) => Vec::new(),
            (state, TurnEvent::Interrupt) => Self::interrupt(state),
            (state, TurnEvent::Input(message)) => {
                self.state = state;
                self.has_inputs = true;
                vec![Effect::QueueInput(message)]
            }
            (State::New, TurnEvent::Started { compaction_due }) => {
                self.compaction_due = compaction_due;
                self.next_call()
            }
            (State::Calling { .. }, TurnEvent::Visible) => {
                self.state = State::Calling { visible: true };
                Vec::new()
            }
            (State::Calling { .. }, TurnEvent::Answered { message, finish, usage, compaction_due }) => {
                self.compaction_due = compaction_due;
                self.answered(message, finish, usage)
            }
            (State::Calling { visible }, TurnEvent::Failed(error)) => self.failed(error, visible),
            (State::Calling { .. }, TurnEvent::OverBudget { message }) => {
                let error = TurnError { class: ErrorClass::Payment, message, hint: None };
                vec![end_with(StopReason::Budget, error)]
            }
            (State::Waiting, TurnEvent::WaitOver) => self.call(),
            (State::RunningTools { open, stop }, TurnEvent::ToolEnded { result, stop: new }) => {
                self.tool_ended(open, stop.or(new), result)
            }
            (State::Compacting { because: None }, TurnEvent::Compacted { .. })
            | (State::Compacting { because: Some(_) }, TurnEvent::Compacted { gained: true }) => self.call(),
            (State::Compacting { because: Some(error) }, TurnEvent::Compacted { gained: false }) => {
                vec![end_with_failure(error)]
            }
            // The provider accepted the length so far: a turn without compaction can go on.
            (State::Compacting { because: None }, TurnEvent::CompactionFailed(_)) => self.call(),
            (State::Compacting { because: Some(_) }, TurnEvent::CompactionFailed(error)) => {
                vec![end_with_failure(error)]
            }
            (state, _) => {
                self.state = state;
                Vec::new()
            }
        }
    }

    fn interrupt(state: State) -> Vec<Effect> {
        let mut effects = match state {
            State::New | State::Waiting | State::Ended => Vec::new(),
            State::Calling { .. } => vec![Effect::StopModel],
            State::RunningTools { open, .. } => {
                let results = open.into_keys().map(|call_id| {
                    let content = INTERRUPTED_CALL.to_owned();
                    Effect::StoreResult(ToolResult { call_id, content, is_error: true })
                });
                std::iter::once(Effect::StopTools).chain(results).collect()
            }
            State::Compacting { .. } => vec![Effect::StopCompaction],
        };
        effects.push(Effect::End { reason: StopReason::Cancelled, error: None });
        effects
    }

    /// Begins the next call of the model: compaction and waiting messages come first.
    fn next_call(&mut self) -> Vec<Effect> {
        self.attempt = 0;
        self.waited = Duration::ZERO;
        self.bad_answers = 0;
        if self.model_calls_left == 0 {
            return vec![Effect::End { reason: StopReason::MaxTurnRequests, error: None }];
        }
        self.model_calls_left -= 1;
        let mut effects = Vec::new();
        if std::mem::take(&mut self.has_inputs) {
            effects.push(Effect::TakeInputs);
        }
        if std::mem::take(&mut self.compaction_due) {
            self.state = State::Compacting { because: None };
            effects.push(Effect::Compact { too_long: false });
        } else {
            effects.extend(self.call());
        }
        effects
    }

    /// Makes an attempt of the current call.
    fn call(&mut self) -> Vec<Effect> {
        self.state = State::Calling { visible: false };
        self.attempt += 1;
        let without_reasoning = self.without_reasoning;
        vec![Effect::CallModel { model: self.model, attempt: self.attempt, without_reasoning }]
    }

    fn answered(&mut self, message: Message, finish: Finish, usage: Option<Usage>) -> Vec<Effect> {
        let calls: Vec<ToolCall> = message.calls().cloned().collect();
        let mut effects = vec![Effect::StoreAnswer { message, usage }];
        if !calls.is_empty() {
            let open = calls.iter().map(|call| (call.id.clone(), call.clone())).collect();
            self.state = State::RunningTools { open, stop: None };
            effects.push(Effect::RunTools(calls));
            return effects;
        }
        match finish {
            Finish::Complete if self.has_inputs => effects.extend(self.next_call()),
            Finish::Complete => effects.push(Effect::End { reason: StopReason::EndTurn, error: None }),
            Finish::MaxTokens => effects.push(Effect::End { reason: StopReason::MaxTokens, error: None }),
            Finish::Refusal => effects.push(Effect::End { reason: StopReason::Refusal, error: None }),
        }
        effects
    }

    fn tool_ended(
        &mut self,
        mut open: BTreeMap<String, ToolCall>,
        stop: Option<String>,
        result: ToolResult,
    ) -> Vec<Effect> {
        if open.remove(&result.call_id).is_none() {
            self.state = State::RunningTools { open, stop };
            return Vec::new();
        }
        let mut effects = vec![Effect::StoreResult(result)];
        if !open.is_empty() {
            self.state = State::RunningTools { open, stop };
        } else if let Some(message) = stop {
            let error = TurnError { class: ErrorClass::Invalid, message, hint: None };
            effects.push(end_with(StopReason::Loop, error));
        } else {
            effects.extend(self.next_call());
        }
        effects
    }

    fn failed(&mut self, error: ProviderError, visible: bool) -> Vec<Effect> {
        if visible {
            // The user has read a part of this answer: another one would contradict it.
            return vec![Effect::StopModel, end_with_failure(error)];
        }
        match error.class {
            ErrorClass::Authentication
            | ErrorClass::Payment
            | ErrorClass::Invalid
            | ErrorClass::Configuration
            | ErrorClass::Internal => vec![end_with_failure(error)],
            ErrorClass::ContextTooLong if self.compacted_for_length => vec![end_with_failure(error)],
            ErrorClass::ContextTooLong => {
                self.compacted_for_length = true;
                self.state = State::Compacting { because: Some(error) };
                vec![Effect::Compact { too_long: true }]
            }
            ErrorClass::ReasoningRejected if self.without_reasoning => vec![end_with_failure(error)],
            ErrorClass::ReasoningRejected => {
                self.without_reasoning = true;
                self.call()
            }
            ErrorClass::Overloaded if self.has_fallback() => self.fall_back(error),
            ErrorClass::BadAnswer if self.bad_answers > 0 => self.fall_back_or_end(error),
            ErrorClass::BadAnswer => {
                self.bad_answers += 1;
                self.wait(error)
            }
            ErrorClass::Overloaded | ErrorClass::RateLimited | ErrorClass::Transient => self.wait(error),
        }
    }

    fn wait(&mut self, error: ProviderError) -> Vec<Effect> {
        let exponent = self.attempt.saturating_sub(1).min(16);
        let own = LONGEST_WAIT.min(Duration::from_secs(1) * 2_u32.pow(exponent));
        let at_least = error.retry_after.unwrap_or(own);
        if self.waited + at_least > PATIENCE {
            return self.fall_back_or_end(error);
        }
        self.waited += at_least;
        self.state = State::Waiting;
        vec![Effect::Wait { at_least, jitter: error.retry_after.is_none(), cause: error.message }]
    }

    fn has_fallback(&self) -> bool {
        self.model + 1 < self.models
    }

    fn fall_back_or_end(&mut self, error: ProviderError) -> Vec<Effect> {
        if self.has_fallback() { self.fall_back(error) } else { vec![end_with_failure(error)] }
    }

    fn fall_back(&mut self, error: ProviderError) -> Vec<Effect> {
        self.model += 1;
        self.attempt = 0;
        self.waited = Duration::ZERO;
        self.bad_answers = 0;
        let mut effects = vec![Effect::FallBack { cause: error.message }];
        effects.extend(self.call());
        effects
    }
}

fn end_with(reason: StopReason, error: TurnError) -> Effect {
    Effect::End { reason, error: Some(error) }
}

fn end_with_failure(error: ProviderError) -> Effect {
    end_with(StopReason::Failed, TurnError { class: error.class, message: error.message, hint: error.hint })
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
