//! Assembles an answer from the events of Anthropic Messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::request::PROTOCOL;
use crate::message::{Block, Opaque, Raw, ToolCall, Usage};
use crate::provider::answer::{Assemble, Fault, Progress};
use crate::provider::json_text::PiecedText;
use crate::provider::{Finish, ModelAnswer, ModelProgress};

/// The fields of an object, as their bytes.
type Fields = BTreeMap<String, Box<RawValue>>;

/// An event, or a whole answer. Unknown fields and events have no effect.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    r#type: String,
    index: Option<u64>,
    message: Option<Head>,
    content_block: Option<Box<RawValue>>,
    delta: Option<Box<RawValue>>,
    usage: Option<Figures>,
    error: Option<Value>,
    /// The blocks of a whole answer.
    content: Option<Vec<Box<RawValue>>>,
    stop_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    usage: Option<Figures>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Figures {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

impl Figures {
    /// Takes the figures that a later event has.
    fn update(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
    }

    fn usage(&self) -> Option<Usage> {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let cache_written = self.cache_creation_input_tokens.unwrap_or(0);
        let fresh = self.input_tokens.unwrap_or(0);
        let input = fresh.saturating_add(cached).saturating_add(cache_written);
        Some(Usage { input, cached, cache_written, output: self.output_tokens.unwrap_or(0), reasoning: 0 })
    }
}

/// A block that grows.
#[derive(Debug)]
enum Growing {
    Text {
        text: String,
        pieces: PiecedText,
    },
    Thinking {
        thinking: String,
        pieces: PiecedText,
        signature: String,
    },
    Call {
        id: String,
        name: String,
        input: String,
        pieces: PiecedText,
        start: Option<Box<RawValue>>,
    },
    /// Any other block, as its bytes.
    Other {
        kind: String,
        raw: Box<RawValue>,
    },
}

/// A thinking block in the form in which it goes back.
#[derive(Serialize)]
struct Thinking<'a> {
    r#type: &'static str,
    thinking: &'a str,
    signature: &'a str,
}

/// The answer so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    blocks: BTreeMap<u64, Growing>,
    figures: Figures,
    finish: Option<Finish>,
    has_begun: bool,
}

impl Assembly {
    fn start(&mut self, index: u64, raw: Box<RawValue>, progress: &mut Progress<'_>) {
        let fields: Fields = serde_json::from_str(raw.get()).unwrap_or_default();
        let kind = text(&fields, "type");
        let block = match kind.as_str() {
            "text" => Growing::Text { text: String::new(), pieces: PiecedText::default() },
            "thinking" => Growing::Thinking {
                thinking: String::new(),
                pieces: PiecedText::default(),
                signature: text(&fields, "signature"),
            },
            "tool_use" => Growing::Call {
                id: text(&fields, "id"),
                name: text(&fields, "name"),
                input: String::new(),
                pieces: PiecedText::default(),
                start: fields.get("input").cloned(),
            },
            _ => Growing::Other { kind: kind.clone(), raw },
        };
        self.blocks.insert(index, block);
        // A block may begin with a text.
        for name in ["text", "thinking"] {
            if let Some(raw) = fields.get(name).filter(|_| kind == name) {
                self.grow(index, name, raw, progress);
            }
        }
    }

    fn delta(&mut self, index: u64, fields: &Fields, progress: &mut Progress<'_>) {
        for name in ["text", "thinking", "signature", "partial_json"] {
            if let Some(raw) = fields.get(name) {
                self.grow(index, name, raw, progress);
            }
        }
    }

    fn grow(&mut self, index: u64, name: &str, raw: &RawValue, progress: &mut Progress<'_>) {
        match (self.blocks.get_mut(&index), name) {
            (Some(Growing::Text { text, pieces }), "text") => {
                let piece = pieces.push(raw.get()).unwrap_or_default();
                if !piece.is_empty() {
                    text.push_str(&piece);
                    progress(ModelProgress::Text(piece));
                }
            }
            (Some(Growing::Thinking { thinking, pieces, .. }), "thinking") => {
                let piece = pieces.push(raw.get()).unwrap_or_default();
                if !piece.is_empty() {
                    thinking.push_str(&piece);
                    progress(ModelProgress::Reasoning(piece));
                }
            }
            (Some(Growing::Thinking { signature, .. }), "signature") => {
                signature.push_str(&serde_json::from_str::<String>(raw.get()).unwrap_or_default());
            }
            (Some(Growing::Call { input, pieces, .. }), "partial_json") => {
                input.push_str(&pieces.push(raw.get()).unwrap_or_default());
            }
            _ => {}
        }
    }

    fn stop(&mut self, reason: &str) {
        self.finish = Some(match reason {
            "max_tokens" | "model_context_window_exceeded" => Finish::MaxTokens,
            "refusal" => Finish::Refusal,
            _ => Finish::Complete,
        });
    }

    fn take(&mut self, data: &[u8], progress: &mut Progress<'_>) -> Result<bool, Fault> {
        let event: Event = serde_json::from_slice(data).map_err(Fault::Json)?;
        if event.r#type == "error" || event.error.as_ref().is_some_and(|error| !error.is_null()) {
            return Err(Fault::Reported(event.error.unwrap_or_default()));
        }
        if let Some(figures) = event.message.and_then(|message| message.usage).or(event.usage) {
            self.figures.update(figures);
        }
        match (event.r#type.as_str(), event.index) {
            ("message_start", _) => self.has_begun = true,
            ("message", _) => {
                self.has_begun = true;
                for (index, block) in (0..).zip(event.content.into_iter().flatten()) {
                    self.start(index, block, progress);
                }
                self.stop(event.stop_reason.as_deref().unwrap_or_default());
            }
            ("content_block_start", Some(index)) => {
                self.has_begun = true;
                if let Some(raw) = event.content_block {
                    self.start(index, raw, progress);
                }
            }
            ("content_block_delta", Some(index)) => {
                let fields = event.delta.and_then(|raw| serde_json::from_str::<Fields>(raw.get()).ok());
                self.delta(index, &fields.unwrap_or_default(), progress);
            }
            ("message_delta", _) => {
                let fields = event.delta.and_then(|raw| serde_json::from_str::<Fields>(raw.get()).ok());
                let reason =
                    fields.map(|fields| text(&fields, "stop_reason")).filter(|reason| !reason.is_empty());
                if let Some(reason) = reason {
                    self.stop(&reason);
                }
            }
            ("message_stop", _) => return Ok(self.has_begun),
            _ => {}
        }
        Ok(false)
    }
}

impl Assemble for Assembly {
    fn event(&mut self, data: &[u8], progress: &mut Progress<'_>) -> Result<bool, Fault> {
        self.take(data, progress)
    }

    fn whole(&mut self, body: &[u8], progress: &mut Progress<'_>) -> Result<(), Fault> {
        self.take(body, progress).map(|_| ())
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn finish(self, _: &mut Progress<'_>) -> ModelAnswer {
        let usage = self.figures.usage();
        let blocks = self.blocks.into_values().flat_map(Growing::finish).collect();
        ModelAnswer { blocks, usage, finish: self.finish.unwrap_or_default() }
    }
}

impl Growing {
    fn finish(self) -> Vec<Block> {
        let opaque = |kind: &str, raw: Box<RawValue>| {
            Block::Opaque(Opaque { protocol: PROTOCOL.to_owned(), kind: kind.to_owned(), raw: Raw(raw) })
        };
        match self {
            Self::Text { text, .. } if text.is_empty() => Vec::new(),
            Self::Text { text, .. } => vec![Block::Text { text }],
            Self::Thinking { thinking, signature, .. } => {
                let raw = to_raw_value(&Thinking {
                    r#type: "thinking",
                    thinking: &thinking,
                    signature: &signature,
                });
                let readable = (!thinking.is_empty()).then_some(Block::Reasoning { text: thinking });
                // Without a signature, the API refuses the block.
                let verbatim = raw.ok().filter(|_| !signature.is_empty()).map(|raw| opaque("thinking", raw));
                readable.into_iter().chain(verbatim).collect()
            }
            Self::Call { id, name, input, start, .. } => {
                let whole = start.map(|raw| raw.get().to_owned()).unwrap_or_default();
                let arguments = if input.is_empty() { whole } else { input };
                vec![Block::ToolCall(ToolCall { id, name, arguments, extra: None })]
            }
            Self::Other { kind, raw } => vec![opaque(&kind, raw)],
        }
    }
}

fn text(fields: &Fields, name: &str) -> String {
    fields.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}
