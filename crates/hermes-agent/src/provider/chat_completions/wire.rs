//! The parts of an answer. Reading is lenient: a field of an unexpected form counts as missing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::message::Usage;

/// The name of the protocol in [`crate::message::Opaque`].
pub(super) const PROTOCOL: &str = "chat_completions";

/// The fields of an object, as their bytes.
pub(super) type Fields = BTreeMap<String, Box<RawValue>>;

/// A piece of a stream, or a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk {
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Value>,
    pub(super) error: Option<Value>,
}

/// The first choice counts: requests ask for one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    pub(super) delta: Option<Box<RawValue>>,
    pub(super) message: Option<Box<RawValue>>,
    pub(super) finish_reason: Option<Value>,
    /// Some servers send the usage here.
    pub(super) usage: Option<Value>,
}

/// Returns the fields of an object; none for anything else.
pub(super) fn fields(raw: &RawValue) -> Fields {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// Reads the figures of `usage`. Returns `None` if there are none.
pub(super) fn usage(value: &Value) -> Option<Usage> {
    let number = |path: &str| value.pointer(path).and_then(Value::as_u64);
    let input = number("/prompt_tokens");
    let output = number("/completion_tokens");
    if input.is_none() && output.is_none() {
        return None;
    }
    Some(Usage {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        // The second name is DeepSeek's.
        cached: number("/prompt_tokens_details/cached_tokens")
            .or_else(|| number("/prompt_cache_hit_tokens"))
            .unwrap_or(0),
        cache_written: number("/prompt_tokens_details/cache_write_tokens").unwrap_or(0),
        reasoning: number("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
    })
}
