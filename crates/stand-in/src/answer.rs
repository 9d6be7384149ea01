//! The answer of the model, before a protocol gives it its form.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::prompt::{Prompt, tokens};
use crate::response::Piece;
use crate::stamp;

/// The bytes of a chunk of text, if a script gives no number.
const CHUNK_BYTES: usize = 12;

/// A tool call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    /// An object, or a string that is sent as it is, valid or not.
    #[serde(default)]
    pub(crate) arguments: Value,
    pub(crate) id: Option<String>,
}

impl ToolCall {
    /// Returns the arguments as the model wrote them.
    pub(crate) fn arguments_text(&self) -> String {
        match &self.arguments {
            Value::String(text) => text.clone(),
            Value::Null => "{}".into(),
            other => other.to_string(),
        }
    }
}

/// The reported tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Usage {
    /// All tokens of the prompt, those of the cache included.
    pub(crate) input: u64,
    pub(crate) output: u64,
    #[serde(default)]
    pub(crate) cached: u64,
    #[serde(default)]
    pub(crate) cache_written: u64,
    #[serde(default)]
    pub(crate) reasoning: u64,
}

/// The answer of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) tool_calls: Vec<ToolCall>,
    /// The reason of the end, in the words of the protocol. `None` gives the usual one.
    pub(crate) finish: Option<String>,
    /// `None` gives estimates.
    pub(crate) usage: Option<Usage>,
    pub(crate) chunk_bytes: Option<usize>,
    /// The pause between two chunks.
    pub(crate) pause: Duration,
    /// Replaces the text of each chunk by the time of its sending.
    pub(crate) is_stamped: bool,
}

impl Answer {
    /// Returns the tokens that are reported.
    pub(crate) fn usage(&self, prompt: &Prompt) -> Usage {
        let calls: usize =
            self.tool_calls.iter().map(|call| call.name.len() + call.arguments_text().len()).sum();
        self.usage.unwrap_or_else(|| Usage {
            input: prompt.tokens(),
            output: tokens(self.text.len() + self.reasoning.len() + calls),
            reasoning: tokens(self.reasoning.len()),
            ..Usage::default()
        })
    }

    /// Cuts a text into chunks. A character is never cut.
    pub(crate) fn chunks<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let size = self.chunk_bytes.unwrap_or(CHUNK_BYTES).max(1);
        let mut chunks = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let (chunk, after) = rest.split_at(rest.floor_char_boundary(size).max(first));
            chunks.push(chunk);
            rest = after;
        }
        chunks
    }
}

/// An event of a stream (Server-Sent Events).
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
    /// `true` for a piece of the model's output. The pause comes before it.
    pub(crate) is_output: bool,
}

impl Event {
    /// Returns the lines of the event.
    pub(crate) fn piece(&self, answer: &Answer) -> Piece {
        let name = self.name.map(|name| format!("event: {name}\n")).unwrap_or_default();
        let bytes = format!("{name}data: {}\n\n", self.data).into_bytes();
        if !self.is_output {
            return Piece { bytes, ..Piece::default() };
        }
        let stamp = if answer.is_stamped { stamp::place(&bytes) } else { None };
        Piece { pause: answer.pause, bytes, stamp }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("abcdef", 4, &["abcd", "ef"])]
    #[case("aéé", 2, &["a", "é", "é"])]
    #[case("🦀🦀", 1, &["🦀", "🦀"])]
    #[case("", 5, &[])]
    fn chunks_end_between_characters(#[case] text: &str, #[case] size: usize, #[case] expected: &[&str]) {
        let answer = Answer { chunk_bytes: Some(size), ..Answer::default() };
        assert_eq!(answer.chunks(text), expected);
    }
}
