//! The part of a request that a model sees, the same for both protocols.

use serde_json::Value;

/// A message: its role and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) role: String,
    pub(crate) text: String,
    /// The texts of the results of tools.
    pub(crate) results: Vec<String>,
}

/// A request, as a model sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prompt {
    pub(crate) model: String,
    /// The messages without those of the system.
    pub(crate) messages: Vec<Line>,
    /// The names of the tools.
    pub(crate) tools: Vec<String>,
    pub(crate) is_streamed: bool,
    /// The client asks for `usage` in the stream. Messages always reports it.
    pub(crate) wants_usage: bool,
    /// `stream_options` is present.
    pub(crate) has_stream_options: bool,
    /// The size of all of it, in bytes.
    pub(crate) bytes: usize,
}

impl Prompt {
    /// Returns the text of the last message of the user that has one.
    pub(crate) fn last_of_user(&self) -> &str {
        let mut users =
            self.messages.iter().rev().filter(|line| line.role == "user" && !line.text.is_empty());
        users.next().map_or("", |line| line.text.as_str())
    }

    /// Returns an estimate of the tokens: a token has about four bytes.
    pub(crate) fn tokens(&self) -> u64 {
        tokens(self.bytes)
    }
}

/// Returns an estimate of the tokens of this number of bytes.
pub(crate) fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// Returns the text of a content: a string, or the `text` of its parts.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
