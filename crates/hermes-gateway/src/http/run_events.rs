//! The events of a turn in the form of the Python program: of `/api/sessions/{id}/chat/stream` and of `/v1/runs/{id}/events`.

use hermes_agent::protocol::{Event, TurnEnd};
use serde_json::{Value, json};

use super::problem::Problem;
use super::sse::{Frames, Translate};
use super::{approval_form, outcome};

/// The longest output of a tool in an event, in bytes. The gateway keeps the events of runs in memory; the session has the whole output.
const OUTPUT_MAX: usize = 4000;

/// The events of one turn.
pub(crate) struct RunEvents {
    session: String,
}

impl RunEvents {
    pub(crate) fn new(session: String) -> Self {
        Self { session }
    }

    /// Returns the name and the data of an event. Returns `None` if clients do not get it.
    pub(crate) fn of_event(event: &Event) -> Option<(&'static str, Value)> {
        Some(match event {
            Event::TurnStarted { session, turn } => {
                ("run.started", json!({ "session_id": session, "turn": turn }))
            }
            Event::TextDelta { text } => ("assistant.delta", json!({ "delta": text })),
            Event::ReasoningDelta { text } => ("reasoning.delta", json!({ "delta": text })),
            Event::ToolStarted { call } => {
                ("tool.started", json!({ "id": call.id, "name": call.name, "arguments": call.arguments }))
            }
            Event::ToolEnded { name, result } => {
                let data = json!({
                    "id": result.call_id,
                    "name": name,
                    "is_error": result.is_error,
                    "output": begin_of(&result.content),
                });
                ("tool.completed", data)
            }
            Event::ApprovalRequested { approval } => {
                ("approval.requested", approval_form::document(approval))
            }
            Event::ApprovalEnded { id, state } => ("approval.ended", json!({ "id": id, "state": state })),
            Event::QuestionAsked { call_id, question, choices } => {
                ("question.asked", json!({ "id": call_id, "question": question, "choices": choices }))
            }
            Event::QuestionEnded { call_id, answered } => {
                ("question.ended", json!({ "id": call_id, "answered": answered }))
            }
            Event::Retry { cause, after_ms, fallback } => {
                ("run.retry", json!({ "cause": cause, "after_ms": after_ms, "fallback": fallback }))
            }
            Event::Compacted { before, after } => {
                ("run.compacted", json!({ "before": before, "after": after }))
            }
            Event::Notice { text } => ("run.notice", json!({ "text": text })),
            _ => return None,
        })
    }

    /// Returns the name and the data of the end.
    pub(crate) fn of_end(session: &str, end: Result<&TurnEnd, &Problem>) -> (&'static str, Value) {
        match end {
            Ok(end) => {
                let data = json!({
                    "session_id": end.session,
                    "turn": end.turn,
                    "reason": end.reason,
                    "text": end.text,
                    "partial": outcome::is_partial(end),
                    "usage": end.usage,
                });
                ("run.completed", data)
            }
            Err(problem) => {
                let mut data = problem.document();
                data["session_id"] = session.into();
                ("run.failed", data)
            }
        }
    }
}

fn begin_of(output: &str) -> &str {
    &output[..output.floor_char_boundary(OUTPUT_MAX)]
}

impl Translate for RunEvents {
    fn event(&mut self, event: &Event, frames: &mut Frames) {
        if let Some((name, data)) = Self::of_event(event) {
            frames.named(name, &data);
        }
    }

    fn end(&mut self, end: Result<&TurnEnd, &Problem>, frames: &mut Frames) {
        let (name, data) = Self::of_end(&self.session, end);
        frames.named(name, &data);
    }
}
