//! The interface of a tool. The engine knows tools by this trait alone.

use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::SessionId;

pub(crate) mod arguments;
mod blocking;
pub mod files;
pub mod memory;
#[cfg(test)]
mod schema_tests;
pub mod session_search;
pub mod skills;
pub mod todo;

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
}

/// The output of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// The text for the model.
    pub content: String,
    /// `true` if the tool failed.
    pub is_error: bool,
}

/// One call of a tool.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The session whose turn calls.
    pub session: SessionId,
    /// The arguments, an object that matches the schema.
    pub arguments: Value,
}

/// A tool.
pub trait Tool: Send + Sync {
    /// Returns the description for the model. It must not change while a session lasts.
    fn schema(&self) -> ToolSchema;

    /// Returns the effect of a call.
    fn effect(&self) -> Effect;

    /// Runs a call. Dropping the future must end all that the call started.
    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>>;
}

/// The tools of an agent, sorted by name.
#[derive(Clone, Default)]
pub struct Toolbox {
    tools: Vec<(ToolSchema, Arc<dyn Tool>)>,
}

impl ToolOutput {
    /// Returns the output of a call that did its work.
    pub fn done(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: false }
    }

    /// Returns the output of a call that failed. The text is for the model: the cause, and the way to do better.
    pub fn failed(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: true }
    }
}

impl Toolbox {
    /// Creates a toolbox of these tools.
    pub fn new(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        let mut tools: Vec<_> = tools.into_iter().map(|tool| (tool.schema(), tool)).collect();
        tools.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        Self { tools }
    }

    /// Returns the descriptions, sorted by name.
    pub fn schemas(&self) -> Vec<ToolSchema> {
        self.tools.iter().map(|(schema, _)| schema.clone()).collect()
    }

    /// Returns the tool of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.iter().find(|(schema, _)| schema.name == name).map(|(_, tool)| tool)
    }
}
