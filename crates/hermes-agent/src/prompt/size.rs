//! The size of a prompt: bytes and estimated tokens of each part and of each tool. No model is asked.

use serde::Serialize;

use super::{Prompt, Section};
use crate::tokens;
use crate::tools::ToolSchema;

/// The size of the fixed part of every request of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromptSize {
    /// The parts of the system prompt, in order.
    pub parts: Vec<PartSize>,
    /// The tools, in order.
    pub tools: Vec<ToolSize>,
    /// The bytes of all parts and tools.
    pub bytes: u64,
    /// The estimated tokens of all parts and tools.
    pub tokens: u64,
}

/// The size of a part of the system prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartSize {
    /// The section.
    pub section: Section,
    /// The name of the part.
    pub name: String,
    /// The bytes of its text.
    pub bytes: u64,
    /// Its estimated tokens.
    pub tokens: u64,
}

/// The size of a tool's description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolSize {
    /// The name of the tool.
    pub name: String,
    /// The bytes of its description as JSON.
    pub bytes: u64,
    /// Its estimated tokens.
    pub tokens: u64,
}

impl PromptSize {
    /// Measures a prompt and its tools.
    pub fn new(prompt: &Prompt, tools: &[ToolSchema]) -> Self {
        let parts: Vec<_> = prompt
            .parts
            .iter()
            .map(|part| PartSize {
                section: part.section,
                name: part.name.clone(),
                bytes: part.text.len() as u64,
                tokens: tokens::of_text(&part.text),
            })
            .collect();
        let tools: Vec<_> = tools
            .iter()
            .map(|tool| ToolSize {
                name: tool.name.clone(),
                bytes: serde_json::json!(tool).to_string().len() as u64,
                tokens: tokens::of_tool(tool),
            })
            .collect();
        let bytes = parts.iter().map(|part| part.bytes).chain(tools.iter().map(|tool| tool.bytes)).sum();
        let tokens = parts.iter().map(|part| part.tokens).chain(tools.iter().map(|tool| tool.tokens)).sum();
        Self { parts, tools, bytes, tokens }
    }
}
