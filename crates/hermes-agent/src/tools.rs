//! The interface of a tool, and the tools. The engine knows tools by the trait alone.

use std::pin::Pin;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::Reason;
use crate::question::Asker;
use crate::store::SessionId;

pub(crate) mod arguments;
pub mod ask_agent;
mod background;
mod blocking;
pub mod clarify;
mod confined;
mod confinement;
pub mod files;
mod ledger;
pub mod memory;
mod outlet;
mod output;
pub(crate) mod policy;
mod process;
mod profile_sandbox;
pub(crate) mod reach;
#[cfg(test)]
mod schema_tests;
pub mod session_search;
pub mod skills;
mod terminal;
pub mod todo;
mod toolbox;
pub mod web;

pub(crate) use confinement::{Call, Confinement};
pub use ledger::{Ledger, Spent};
pub use policy::Rules;
pub use profile_sandbox::ToolboxError;
pub(crate) use profile_sandbox::sandbox_of;
pub use toolbox::{Toolbox, ToolboxOptions};

/// The description of a tool for the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSchema {
    /// The name: letters, digits, `_` and `-`.
    pub name: String,
    /// The description.
    pub description: String,
    /// The JSON Schema of the arguments, an object.
    pub parameters: Value,
}

/// The effect of a tool on anything outside the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It computes.
    None,
    /// It reads. Such tools run side by side.
    Reads,
    /// It writes, or its effect is unknown. It runs alone.
    Writes,
    /// It works in another process, which orders its own work. It waits for no tool, and no tool waits for it.
    Elsewhere,
}

/// The output of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// The text for the model.
    pub content: String,
    /// `true` if the tool failed.
    pub is_error: bool,
    /// The part of the sandbox that seems to have refused something that the call needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Reason>,
}

/// The reach of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The sandbox.
    Sandbox,
    /// All but the files of agents and of the supervision. A person approved it.
    Machine,
}

/// One call of a tool.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The session whose turn calls.
    pub session: SessionId,
    /// The arguments, an object that matches the schema.
    pub arguments: Value,
    /// The reach.
    pub reach: Reach,
    /// Takes what other agents use for the call.
    pub ledger: Ledger,
    /// Asks the person of the turn. `None`: nobody can answer during it.
    pub(crate) asker: Option<Asker>,
}

impl Invocation {
    /// Returns a call with the reach of the sandbox, and without a person.
    pub fn confined(session: SessionId, arguments: Value) -> Self {
        Self { session, arguments, reach: Reach::Sandbox, ledger: Ledger::default(), asker: None }
    }
}

/// A tool.
pub trait Tool: Send + Sync {
    /// Returns the description for the model. It must not change while a session lasts.
    fn schema(&self) -> ToolSchema;

    /// Returns the effect of a call.
    fn effect(&self) -> Effect;

    /// Returns the command or the path that a person decides about, if the call needs an approval. `None` means that the call does
    /// nothing outside of the engine.
    fn subject(&self, _arguments: &Value) -> Option<String> {
        None
    }

    /// Runs a call. Dropping the future must end all that the call started.
    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>>;
}

impl ToolOutput {
    /// Returns the output of a call that did its work.
    pub fn done(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: false, refused: None }
    }

    /// Returns the output of a call that failed. The text is for the model: the cause, and the way to do better.
    pub fn failed(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: true, refused: None }
    }
}
