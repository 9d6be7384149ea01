//! Assembles an answer from the pieces of a stream.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::calls::Calls;
use super::replay::KEPT_FIELDS;
use super::text_calls::{self, Gate};
use super::wire::{Chunk, Fields, PROTOCOL, fields, usage};
use crate::message::{Block, Opaque, Raw, Usage};
use crate::provider::answer::{Assemble, Fault, Progress};
use crate::provider::json_text::PiecedText;
use crate::provider::{Finish, ModelAnswer, ModelProgress};

/// The names of the readable reasoning. Servers that send two of them repeat the text.
const REASONING: &[&str] = &["reasoning_content", "reasoning", "thinking", "reasoning_text"];

/// The answer so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    text: String,
    text_pieces: PiecedText,
    reasoning: String,
    reasoning_pieces: PiecedText,
    /// The name of the reasoning's first piece. Other names are copies.
    reasoning_name: Option<&'static str>,
    kept: BTreeMap<&'static str, Kept>,
    calls: Calls,
    /// Holds back text that may be a tool call, if the settings read such text.
    gate: Option<Gate>,
    usage: Option<Usage>,
    finish: Option<Finish>,
    refused: bool,
    /// `true` after any choice: an answer without one is no answer.
    has_choice: bool,
}

/// A kept field.
#[derive(Debug)]
enum Kept {
    /// The bytes of its last value.
    Whole(Box<RawValue>),
    /// The items of a list that comes in pieces.
    Items(Vec<Box<RawValue>>),
}

impl Assembly {
    /// Begins an answer. `text_calls` reads tool calls in the text.
    pub(super) fn new(text_calls: bool) -> Self {
        Self { gate: text_calls.then(Gate::default), ..Self::default() }
    }

    /// Takes a piece and reports its progress.
    fn push(&mut self, chunk: Chunk, progress: &mut Progress<'_>) {
        let is_last = chunk.choices.as_ref().is_none_or(Vec::is_empty);
        if let Some(found) = chunk.usage.as_ref().and_then(usage) {
            self.usage = Some(found);
            if is_last && self.has_choice {
                // A piece of figures alone comes last.
                self.finish.get_or_insert_default();
            }
        }
        let Some(choice) = chunk.choices.into_iter().flatten().next() else { return };
        self.has_choice = true;
        if let Some(found) = choice.usage.as_ref().and_then(usage) {
            self.usage = Some(found);
        }
        if let Some(raw) = choice.delta.or(choice.message) {
            self.delta(&fields(&raw), progress);
        }
        match choice.finish_reason.as_ref().and_then(Value::as_str) {
            None | Some("") => {}
            Some("length" | "max_tokens" | "model_length") => self.finish = Some(Finish::MaxTokens),
            Some("content_filter" | "refusal" | "safety" | "SAFETY") => self.finish = Some(Finish::Refusal),
            Some(_) => self.finish = Some(Finish::Complete),
        }
    }

    fn delta(&mut self, delta: &Fields, progress: &mut Progress<'_>) {
        for &name in REASONING {
            let Some(raw) = delta.get(name).filter(|raw| !is_empty(raw)) else { continue };
            if *self.reasoning_name.get_or_insert(name) == name {
                let text = self.reasoning_pieces.push(raw.get()).unwrap_or_default();
                self.reason(text, progress);
            }
        }
        if let Some(raw) = delta.get("content") {
            self.content(raw, progress);
        }
        if let Some(raw) = delta.get("refusal").filter(|raw| !is_empty(raw)) {
            self.refused = true;
            let text = self.text_pieces.push(raw.get()).unwrap_or_default();
            self.say(text, progress);
        }
        if let Some(raw) = delta.get("tool_calls") {
            self.calls.push(raw);
        }
        for &name in KEPT_FIELDS {
            if let Some(raw) = delta.get(name).filter(|raw| raw.get() != "null") {
                self.keep(name, raw);
            }
        }
    }

    /// Takes a text, or a list of parts as Mistral sends it.
    fn content(&mut self, raw: &RawValue, progress: &mut Progress<'_>) {
        if let Some(text) = self.text_pieces.push(raw.get()) {
            self.say(text, progress);
            return;
        }
        let parts: Vec<Value> = serde_json::from_str(raw.get()).unwrap_or_default();
        for part in &parts {
            if let Some(text) = part.get("text").and_then(Value::as_str) {
                self.say(text.to_owned(), progress);
            }
            let thinking = part.get("thinking").and_then(Value::as_array);
            for text in thinking.into_iter().flatten().filter_map(|part| part.get("text")?.as_str()) {
                self.reason(text.to_owned(), progress);
            }
        }
    }

    fn say(&mut self, text: String, progress: &mut Progress<'_>) {
        if !text.is_empty() {
            self.text.push_str(&text);
            let shown = self.gate.as_mut().map_or(Some(text.clone()), |gate| gate.push(&text));
            if let Some(shown) = shown {
                progress(ModelProgress::Text(shown));
            }
        }
    }

    fn reason(&mut self, text: String, progress: &mut Progress<'_>) {
        if !text.is_empty() {
            self.reasoning.push_str(&text);
            progress(ModelProgress::Reasoning(text));
        }
    }

    fn keep(&mut self, name: &'static str, raw: &RawValue) {
        let items = serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok();
        match (self.kept.get_mut(name), items) {
            (Some(Kept::Items(known)), Some(items)) => {
                for item in items {
                    add_item(known, item);
                }
            }
            (_, Some(items)) => {
                self.kept.insert(name, Kept::Items(items));
            }
            (_, None) => {
                self.kept.insert(name, Kept::Whole(raw.to_owned()));
            }
        }
    }
}

impl Assemble for Assembly {
    fn event(&mut self, data: &[u8], progress: &mut Progress<'_>) -> Result<bool, Fault> {
        if data == b"[DONE]" {
            return Ok(self.has_choice);
        }
        self.whole(data, progress)?;
        Ok(false)
    }

    fn whole(&mut self, body: &[u8], progress: &mut Progress<'_>) -> Result<(), Fault> {
        let chunk: Chunk = serde_json::from_slice(body).map_err(Fault::Json)?;
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(Fault::Reported(error));
        }
        self.push(Chunk { error: None, ..chunk }, progress);
        Ok(())
    }

    fn has_begun(&self) -> bool {
        self.has_choice
    }

    fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn finish(mut self, progress: &mut Progress<'_>) -> ModelAnswer {
        let mut calls = self.calls.finish();
        if let Some(gate) = self.gate {
            let (text, found) =
                if calls.is_empty() { text_calls::split(&self.text) } else { (self.text, Vec::new()) };
            if found.is_empty()
                && let Some(rest) = gate.rest()
            {
                progress(ModelProgress::Text(rest));
            }
            self.text = text;
            calls.extend(found);
        }
        let mut blocks = Vec::new();
        if !self.reasoning.is_empty() {
            blocks.push(Block::Reasoning { text: self.reasoning });
        }
        for (name, kept) in self.kept {
            let raw = match kept {
                Kept::Whole(raw) => Some(raw),
                Kept::Items(items) => serde_json::value::to_raw_value(&items).ok(),
            };
            blocks.extend(raw.map(|raw| {
                Block::Opaque(Opaque { protocol: PROTOCOL.to_owned(), kind: name.to_owned(), raw: Raw(raw) })
            }));
        }
        if !self.text.is_empty() {
            blocks.push(Block::Text { text: self.text });
        }
        blocks.extend(calls.into_iter().map(Block::ToolCall));
        let finish = if self.refused { Finish::Refusal } else { self.finish.unwrap_or_default() };
        ModelAnswer { blocks, usage: self.usage, finish }
    }
}

fn is_empty(raw: &RawValue) -> bool {
    matches!(raw.get(), "null" | "\"\"")
}

/// Adds an item of `reasoning_details`. Pieces of one item have the same `type` and `index`: their texts are joined.
fn add_item(items: &mut Vec<Box<RawValue>>, item: Box<RawValue>) {
    let same = |one: &Fields, other: &Fields, name: &str| {
        one.get(name).map(|raw| raw.get()) == other.get(name).map(|raw| raw.get())
    };
    let new = fields(&item);
    let last = items.last_mut().map(|last| (fields(last), last));
    if let Some((mut known, last)) = last
        && new.contains_key("index")
        && same(&known, &new, "index")
        && same(&known, &new, "type")
    {
        for (name, value) in new {
            let joined = ["text", "summary", "data"].contains(&name.as_str()).then(|| {
                let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
                let before = known.get(&name).and_then(|raw| text(raw)).unwrap_or_default();
                serde_json::value::to_raw_value(&(before + &text(&value)?)).ok()
            });
            match joined.flatten() {
                Some(joined) => known.insert(name, joined),
                None if value.get() == "null" => None,
                None => known.insert(name, value),
            };
        }
        if let Ok(joined) = serde_json::value::to_raw_value(&known) {
            *last = joined;
            return;
        }
    }
    items.push(item);
}
