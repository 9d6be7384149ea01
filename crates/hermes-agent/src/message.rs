//! Messages of a conversation, as the engine, the store and the providers share them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person, or the program that talks to the agent.
    User,
    /// The model.
    Assistant,
    /// The results of the tool calls of the message before. It holds [`Block::ToolResult`] only.
    Tool,
}

/// One message: a role and its blocks, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The sender.
    pub role: Role,
    /// The content.
    pub blocks: Vec<Block>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Plain text. Markdown, by convention.
    Text {
        /// The text.
        text: String,
    },
    /// A picture from the user.
    Image {
        /// The media type, as `image/png`.
        media_type: String,
        /// The bytes in Base64 (RFC 4648, with padding).
        data: String,
    },
    /// The model's reasoning, readable. It is shown on request and goes back to a provider only as its rule for replays says.
    Reasoning {
        /// The text.
        text: String,
    },
    /// A tool call of the model.
    ToolCall(ToolCall),
    /// The result of a tool call.
    ToolResult(ToolResult),
    /// A block of one provider that has no other form here, or whose exact form must go back. Examples are a thinking block with its
    /// signature, and a field beside the text. No other provider receives it.
    Opaque(Opaque),
}

/// A tool call of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The ID, unique in its session. A result refers to it.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments: the JSON text exactly as the model wrote it. It may be invalid.
    pub arguments: String,
    /// Further fields of the call that must go back to the provider, as JSON (Gemini's thought signatures).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Raw>,
}

/// The result of a tool call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The ID of the call.
    pub call_id: String,
    /// The output for the model.
    pub content: String,
    /// `true` if the tool failed, or did not run.
    #[serde(default)]
    pub is_error: bool,
}

/// A block of one provider, kept as its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opaque {
    /// The protocol that it belongs to: `anthropic` or `chat_completions`.
    pub protocol: String,
    /// The field or block type, as `thinking` or `reasoning_content`.
    pub kind: String,
    /// The JSON text, exactly as the provider sent it, or as its stream adds up.
    pub raw: Raw,
}

/// A JSON text that keeps its bytes. Its own JSON form is a string that holds the text. A nested value would lose its bytes inside of
/// [`Block`], whose tag makes serde parse it first.
#[derive(Clone, Debug)]
pub struct Raw(pub Box<RawValue>);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.get())
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        RawValue::from_string(text).map(Self).map_err(D::Error::custom)
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Raw {}

impl Message {
    /// Returns a message of one text block.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, blocks: vec![Block::Text { text: text.into() }] }
    }

    /// Returns a message that holds this result.
    pub fn result(result: ToolResult) -> Self {
        Self { role: Role::Tool, blocks: vec![Block::ToolResult(result)] }
    }

    /// Returns the text blocks, joined. Reasoning, calls and results are not part of it.
    pub fn plain_text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text { text } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Returns the tool calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.blocks.iter().filter_map(|block| match block {
            Block::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// The tokens of one model call, as the provider reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All tokens of the prompt: fresh, cached and written to the cache.
    pub input: u64,
    /// Tokens of the prompt that came from the provider's cache.
    pub cached: u64,
    /// Tokens of the prompt that were written to the provider's cache.
    pub cache_written: u64,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
    /// Tokens of the reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Returns the prompt and the answer together.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Adds another call.
    pub fn add(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.cached = self.cached.saturating_add(other.cached);
        self.cache_written = self.cache_written.saturating_add(other.cache_written);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
    }
}
