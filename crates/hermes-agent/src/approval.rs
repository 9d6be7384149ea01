//! Approvals: a question to a person about a call that leaves the sandbox, and its answer.
//!
//! A question is a row of the store, so any process of the profile can answer it. A tool cannot: its sandbox reaches neither the
//! database nor the gateway.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::store::{SessionId, TurnId};

/// The ID of a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApprovalId(pub(crate) String);

impl From<String> for ApprovalId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// `approvals.mode` is `ask`.
    EachCall,
    /// The kernel cannot confine tools.
    NoSandbox,
    /// The sandbox refused a file or a system call.
    Files,
    /// The sandbox refused a connection.
    Network,
}

impl Reason {
    /// Returns the reason as a sentence for a person.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::EachCall => "approvals.mode is \"ask\".",
            Self::NoSandbox => "This kernel cannot confine it: it can read the keys of every profile.",
            Self::Files => "It failed in the sandbox, and seems to need files outside of the workspace.",
            Self::Network => {
                "It failed in the sandbox, and seems to need a direct connection to the network."
            }
        }
    }
}

/// An answer of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// This call may run.
    Once,
    /// This call may run, and the same one again in this session.
    Session,
    /// This call may run, and the same one again in each session (`command_allowlist`).
    Always,
    /// The call must not run.
    Deny,
}

impl Answer {
    /// Returns the answer of a word or of its first letter.
    pub fn of_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "o" | "once" => Some(Self::Once),
            "s" | "session" => Some(Self::Session),
            "a" | "always" => Some(Self::Always),
            "d" | "deny" => Some(Self::Deny),
            _ => None,
        }
    }
}

/// The state of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// It waits.
    Pending,
    /// See [`Answer::Once`].
    Once,
    /// See [`Answer::Session`].
    Session,
    /// See [`Answer::Always`].
    Always,
    /// See [`Answer::Deny`].
    Deny,
    /// Nobody answered in time, or the turn ended. It counts as a denial.
    Expired,
}

impl From<Answer> for ApprovalState {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Once => Self::Once,
            Answer::Session => Self::Session,
            Answer::Always => Self::Always,
            Answer::Deny => Self::Deny,
        }
    }
}

/// A question. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The ID.
    pub id: ApprovalId,
    /// The session.
    pub session: SessionId,
    /// The turn that waits.
    pub turn: TurnId,
    /// The call of the tool.
    pub call_id: String,
    /// The name of the tool.
    pub tool: String,
    /// The command or the path that the call is about.
    pub subject: String,
    /// The reason.
    pub reason: Reason,
    /// The time of the question.
    pub asked_at: i64,
    /// The time at which it expires.
    pub expires_at: i64,
    /// The state.
    pub state: ApprovalState,
    /// The surface that answered: `terminal`, `api`.
    pub answered_by: Option<String>,
}
