//! The size of a prompt: bytes and estimated tokens of each part and of each tool. No model is asked.

use serde::Serialize;

use super::{Prompt, Section};
use crate::mcp::Described;
use crate::tokens;
use crate::tools::ToolSchema;

/// The size of the fixed part of every request of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromptSize {
    /// The parts of the system prompt, in order.
    pub parts: Vec<PartSize>,
    /// The tools, in order.
    pub tools: Vec<ToolSize>,
    /// The MCP servers, by name.
    pub mcp_servers: Vec<ServerSize>,
    /// The bytes of all parts and of all tools.
    pub bytes: u64,
    /// The estimated tokens of all parts and of all tools.
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

/// The size of the tools of an MCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerSize {
    /// The name in the settings.
    pub name: String,
    /// The tools, in order.
    pub tools: Vec<ToolSize>,
    /// The bytes of all its tools.
    pub bytes: u64,
    /// Their estimated tokens.
    pub tokens: u64,
    /// The failure. Then no tool is counted.
    pub error: Option<String>,
}

impl ToolSize {
    fn new(tool: &ToolSchema) -> Self {
        let bytes = serde_json::json!(tool).to_string().len() as u64;
        Self { name: tool.name.clone(), bytes, tokens: tokens::of_tool(tool) }
    }
}

impl ServerSize {
    fn new(server: &Described) -> Self {
        let tools: Vec<_> = server.tools.iter().flatten().map(ToolSize::new).collect();
        let bytes = tools.iter().map(|tool| tool.bytes).sum();
        let tokens = tools.iter().map(|tool| tool.tokens).sum();
        let error = server.tools.as_ref().err().map(ToString::to_string);
        Self { name: server.name.clone(), tools, bytes, tokens, error }
    }
}

impl PromptSize {
    /// Measures a prompt, the agent's own tools, and those of its MCP servers.
    pub fn new(prompt: &Prompt, tools: &[ToolSchema], servers: &[Described]) -> Self {
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
        let tools: Vec<_> = tools.iter().map(ToolSize::new).collect();
        let mcp_servers: Vec<_> = servers.iter().map(ServerSize::new).collect();
        let of_parts = parts.iter().map(|part| (part.bytes, part.tokens));
        let of_tools = tools.iter().map(|tool| (tool.bytes, tool.tokens));
        let of_servers = mcp_servers.iter().map(|server| (server.bytes, server.tokens));
        let add = |(bytes, tokens), (more_bytes, more_tokens)| (bytes + more_bytes, tokens + more_tokens);
        let (bytes, tokens) = of_parts.chain(of_tools).chain(of_servers).fold((0, 0), add);
        Self { parts, tools, mcp_servers, bytes, tokens }
    }
}
