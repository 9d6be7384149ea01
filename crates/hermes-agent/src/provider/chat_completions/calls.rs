//! Assembles tool calls from their pieces.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::wire::{Fields, fields};
use crate::message::{Raw, ToolCall};
use crate::provider::json_text::PiecedText;

/// Fields of a call that have a place of their own.
const OWN_FIELDS: &[&str] = &["index", "id", "type", "function"];

/// The calls so far, in the order of their first pieces.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Growing>);

#[derive(Debug, Default)]
struct Growing {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    pieces: PiecedText,
    extra: BTreeMap<String, Box<RawValue>>,
}

impl Calls {
    /// Takes the value of `tool_calls`: one or more pieces.
    pub(super) fn push(&mut self, raw: &RawValue) {
        let pieces: Vec<Fields> = serde_json::from_str(raw.get()).unwrap_or_default();
        for piece in pieces {
            self.push_one(piece);
        }
    }

    fn push_one(&mut self, piece: Fields) {
        let text = |fields: &Fields, name: &str| {
            fields
                .get(name)
                .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
                .unwrap_or_default()
        };
        let index = piece.get("index").and_then(|raw| serde_json::from_str::<u64>(raw.get()).ok());
        let function = piece.get("function").map(|raw| fields(raw)).unwrap_or_default();
        let (id, name) = (text(&piece, "id"), text(&function, "name"));
        let place = self.place_of(index, &id, &name);
        let Some(call) = self.0.get_mut(place) else { return };
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = name;
        }
        if let Some(arguments) = function.get("arguments").map(|raw| raw.get()).filter(|json| *json != "null")
        {
            // Some servers send the object itself.
            let piece = call.pieces.push(arguments).unwrap_or_else(|| arguments.to_owned());
            call.arguments.push_str(&piece);
        }
        let extra = piece
            .into_iter()
            .filter(|(name, raw)| !OWN_FIELDS.contains(&name.as_str()) && raw.get() != "null");
        call.extra.extend(extra);
    }

    /// Returns the place of the call that a piece belongs to. Adds a call if the piece begins one.
    fn place_of(&mut self, index: Option<u64>, id: &str, name: &str) -> usize {
        let last = match index {
            Some(index) => self.0.iter().rposition(|call| call.index == Some(index)),
            None if id.is_empty() => self.0.len().checked_sub(1),
            None => self.0.iter().rposition(|call| call.id == id),
        };
        // A piece with a name and another ID begins a call: some servers number all calls 0. Without IDs, a second name begins one
        // if the arguments of the first are whole.
        let begins = |call: &Growing| {
            !name.is_empty()
                && if id.is_empty() || call.id.is_empty() {
                    index.is_none() && !call.name.is_empty() && is_whole(&call.arguments)
                } else {
                    call.id != id
                }
        };
        match last.filter(|&place| !self.0.get(place).is_some_and(begins)) {
            Some(place) => place,
            None => {
                self.0.push(Growing { index, ..Growing::default() });
                self.0.len() - 1
            }
        }
    }

    /// Returns the calls. Those without an ID get one.
    pub(super) fn finish(self) -> Vec<ToolCall> {
        let named = self.0.into_iter().filter(|call| !call.name.is_empty());
        let finish = |call: Growing| ToolCall {
            id: if call.id.is_empty() { new_id() } else { call.id },
            name: call.name,
            arguments: call.arguments,
            extra: (!call.extra.is_empty())
                .then(|| serde_json::value::to_raw_value(&call.extra).ok())
                .flatten()
                .map(Raw),
        };
        named.map(finish).collect()
    }
}

fn is_whole(arguments: &str) -> bool {
    arguments.trim().is_empty() || serde_json::from_str::<&RawValue>(arguments).is_ok()
}

/// Returns a new random ID of a call.
pub(in crate::provider) fn new_id() -> String {
    // The generator of the kernel fails on no supported system. The address of a local variable would be no better.
    let number = getrandom::u64().unwrap_or_default();
    format!("call_{number:016x}")
}
