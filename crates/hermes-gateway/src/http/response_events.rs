//! The events of a streamed response (OpenAI's API reference, "Streaming events" of Responses).

use std::mem;

use hermes_agent::protocol::{Event, StopReason, TurnEnd};
use serde_json::{Value, json};

use super::approval_form;
use super::problem::Problem;
use super::response::{Frame, id_of, item_id, of_end, output_item, output_text};
use super::sse::{Frames, Translate};

/// The events of one response.
pub(crate) struct ResponseEvents {
    frame: Frame,
    id: String,
    sequence: u64,
    /// The text so far. `None` until the output item is added.
    text: Option<String>,
    /// `true` after a tool: the next text is another paragraph.
    needs_break: bool,
}

impl ResponseEvents {
    pub(crate) fn new(frame: Frame) -> Self {
        Self { frame, id: String::new(), sequence: 0, text: None, needs_break: false }
    }

    fn send(&mut self, name: &str, mut data: Value, frames: &mut Frames) {
        data["type"] = name.into();
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        frames.named(name, &data);
    }

    /// Sends an event about the part of the output that holds the text.
    fn send_part(&mut self, name: &str, field: &str, value: Value, frames: &mut Frames) {
        let mut data = json!({ "item_id": item_id(&self.id), "output_index": 0, "content_index": 0 });
        data[field] = value;
        if name.starts_with("response.output_text.") {
            data["logprobs"] = json!([]);
        }
        self.send(name, data, frames);
    }

    fn add_item(&mut self, frames: &mut Frames) {
        if self.text.is_some() {
            return;
        }
        self.text = Some(String::new());
        let item = output_item(&self.id, "in_progress", None);
        self.send("response.output_item.added", json!({ "output_index": 0, "item": item }), frames);
        self.send_part("response.content_part.added", "part", output_text(""), frames);
    }

    fn add_text(&mut self, text: &str, frames: &mut Frames) {
        self.add_item(frames);
        let so_far = self.text.get_or_insert_default();
        let is_new_paragraph = mem::take(&mut self.needs_break) && !so_far.is_empty();
        let delta = if is_new_paragraph { format!("\n\n{text}") } else { text.to_owned() };
        so_far.push_str(&delta);
        self.send_part("response.output_text.delta", "delta", delta.into(), frames);
    }
}

impl Translate for ResponseEvents {
    fn event(&mut self, event: &Event, frames: &mut Frames) {
        match event {
            Event::TurnStarted { session, turn } => {
                self.id = id_of(session, *turn);
                let response = self.frame.document(&self.id, "in_progress", json!([]), None);
                self.send("response.created", json!({ "response": response }), frames);
                self.send("response.in_progress", json!({ "response": response }), frames);
            }
            Event::TextDelta { text } => self.add_text(text, frames),
            Event::ToolStarted { .. } => self.needs_break = true,
            Event::ApprovalRequested { approval } => {
                let data = json!({ "approval": approval_form::document(approval) });
                self.send("hermes.approval_requested", data, frames);
            }
            _ => {}
        }
    }

    fn end(&mut self, end: Result<&TurnEnd, &Problem>, frames: &mut Frames) {
        let end = match end {
            Ok(end) => end,
            Err(problem) => {
                let mut response = self.frame.document(&self.id, "failed", json!([]), None);
                let document = problem.document();
                response["error"] =
                    json!({ "code": document["error"]["code"], "message": document["error"]["message"] });
                return self.send("response.failed", json!({ "response": response }), frames);
            }
        };
        self.add_item(frames);
        let text = self.text.take().unwrap_or_default();
        self.send_part("response.output_text.done", "text", text.as_str().into(), frames);
        self.send_part("response.content_part.done", "part", output_text(&text), frames);
        let is_whole = end.reason == StopReason::EndTurn;
        let item = output_item(&self.id, if is_whole { "completed" } else { "incomplete" }, Some(&text));
        self.send("response.output_item.done", json!({ "output_index": 0, "item": item }), frames);
        let name = if is_whole { "response.completed" } else { "response.incomplete" };
        let mut response = of_end(&self.frame, end);
        response["output"] = json!([item]);
        self.send(name, json!({ "response": response }), frames);
    }
}
