//! The protocol between a surface and the engine: submissions in, events out.
//!
//! Every surface uses it: the terminal, the gateway's API, `--events`. Both types are JSON objects with the tag `type`. A reader must
//! ignore types and fields that it does not know.

use serde::{Deserialize, Serialize};

use crate::approval::{Approval, ApprovalId, ApprovalState};
use crate::message::{Message, ToolCall, ToolResult, Usage};

/// A request of a surface to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Submission {
    /// Begins a turn. If one runs in this session, the message goes in before its next model call.
    UserTurn {
        /// The message of the user.
        message: Message,
    },
    /// Ends the running turn. Its text so far is kept and marked as interrupted.
    Interrupt,
    /// Compacts the history now.
    Compact,
}

/// An observation of the engine. The order is the order of occurrence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A turn began. The user's message is stored.
    TurnStarted {
        /// The session.
        session: String,
        /// The turn: its number in the store.
        turn: i64,
    },
    /// A call of the model begins.
    ModelCallStarted {
        /// The provider's name.
        provider: String,
        /// The model's name.
        model: String,
        /// 1 for the first attempt of this call.
        attempt: u32,
    },
    /// The model server accepted the call, and has sent nothing yet.
    Waiting {
        /// The time since the call began, in seconds.
        seconds: u64,
    },
    /// A piece of the answer.
    TextDelta {
        /// The text.
        text: String,
    },
    /// A piece of the reasoning.
    ReasoningDelta {
        /// The text.
        text: String,
    },
    /// A model call failed, and another one follows.
    Retry {
        /// The cause.
        cause: String,
        /// The time until the next attempt, in milliseconds.
        after_ms: u64,
        /// `true` if the next attempt goes to the next fallback.
        fallback: bool,
    },
    /// A model call ended.
    ModelCallEnded {
        /// Its tokens.
        usage: Usage,
    },
    /// A tool begins to run.
    ToolStarted {
        /// The call.
        call: ToolCall,
    },
    /// A call waits for the approval of a person.
    ApprovalRequested {
        /// The question.
        approval: Approval,
    },
    /// A call waits no longer: a person answered, or the time is over.
    ApprovalEnded {
        /// The question.
        id: ApprovalId,
        /// The answer.
        state: ApprovalState,
    },
    /// The model asks the person. The next message of the person to the session is the answer.
    QuestionAsked {
        /// The ID of the call.
        call_id: String,
        /// The question, as the model wrote it.
        question: String,
        /// The choices, at most four. The number of one, from 1, picks it. Another text is an answer, too.
        choices: Vec<String>,
    },
    /// A question waits no longer.
    QuestionEnded {
        /// The ID of the call.
        call_id: String,
        /// `false` if nobody answered before the end of its time or of its turn.
        answered: bool,
    },
    /// A tool ended.
    ToolEnded {
        /// The name of the tool. A call that was denied did not start.
        name: String,
        /// Its result.
        result: ToolResult,
    },
    /// A message that came during the turn is part of the conversation now.
    Steered {
        /// The message.
        message: Message,
    },
    /// The history was compacted.
    Compacted {
        /// The estimated tokens before.
        before: u64,
        /// The estimated tokens after.
        after: u64,
    },
    /// Something that the user should know.
    Notice {
        /// A sentence.
        text: String,
    },
    /// The turn ended. It is the last event of a turn.
    TurnEnded(TurnEnd),
}

/// The end of a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnEnd {
    /// The session.
    pub session: String,
    /// The turn.
    pub turn: i64,
    /// The reason.
    pub reason: StopReason,
    /// The text of the last answer, possibly partial.
    pub text: String,
    /// The tokens of all model calls of the turn, and of the agents that it asked.
    pub usage: Usage,
    /// The cause, if the reason is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TurnError>,
}

/// The reason why a turn ended. The first five words are those of the Agent Client Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model finished its answer.
    EndTurn,
    /// The answer reached the limit of its tokens.
    MaxTokens,
    /// The turn reached the limit of its model calls (`agent.max_turns`).
    MaxTurnRequests,
    /// The model or its provider refused.
    Refusal,
    /// Somebody interrupted it.
    Cancelled,
    /// The model repeated one call, or one failure, too often.
    Loop,
    /// The budget is used up.
    Budget,
    /// The model could not be reached, or answered with an error.
    Failed,
    /// The process that ran the turn died. A restart found it.
    Died,
}

/// The cause of a failed turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnError {
    /// The class.
    pub class: crate::provider::ErrorClass,
    /// A clause with its causes.
    pub message: String,
    /// The next step of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
