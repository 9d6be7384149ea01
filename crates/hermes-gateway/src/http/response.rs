//! A response in the form of OpenAI's Responses.

use hermes_agent::message::Usage;
use hermes_agent::protocol::{StopReason, TurnEnd};
use hermes_agent::store::{SessionId, TurnId};
use serde_json::{Value, json};

use super::outcome;

/// The prefix of the ID of a response.
const PREFIX: &str = "resp_";

/// The fields of a response that do not change while its turn runs.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) model: String,
    pub(crate) created: u64,
    pub(crate) instructions: Option<String>,
    pub(crate) previous: Option<String>,
    pub(crate) is_stored: bool,
}

/// Returns the ID of the response of a turn.
pub(crate) fn id_of(session: &str, turn: i64) -> String {
    format!("{PREFIX}{turn}_{session}")
}

/// Returns the session and the turn of a response. Returns `None` if the text is no ID of a response.
pub(crate) fn parse_id(id: &str) -> Option<(SessionId, TurnId)> {
    let (turn, session) = id.strip_prefix(PREFIX)?.split_once('_')?;
    Some((SessionId::from(session), TurnId(turn.parse().ok()?)))
}

impl Frame {
    /// Returns a response that has this output.
    pub(crate) fn document(&self, id: &str, status: &str, output: Value, usage: Option<&Usage>) -> Value {
        json!({
            "id": id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "instructions": self.instructions,
            "max_output_tokens": null,
            "metadata": {},
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": self.previous,
            "store": self.is_stored,
            "temperature": null,
            "text": { "format": { "type": "text" } },
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "truncation": "disabled",
            "usage": usage.map(outcome::response_usage),
        })
    }

    /// Returns the response of a turn that ended.
    pub(crate) fn ended(&self, id: &str, reason: StopReason, output: Value, usage: &Usage) -> Value {
        let cause = match reason {
            StopReason::EndTurn => None,
            StopReason::MaxTokens | StopReason::MaxTurnRequests | StopReason::Loop => {
                Some("max_output_tokens")
            }
            StopReason::Refusal => Some("content_filter"),
            _ => Some("cancelled"),
        };
        let status = if cause.is_some() { "incomplete" } else { "completed" };
        let mut document = self.document(id, status, output, Some(usage));
        if let Some(cause) = cause {
            document["incomplete_details"] = json!({ "reason": cause });
        }
        document
    }
}

/// Returns the output item of a text.
pub(crate) fn output_item(id: &str, status: &str, text: Option<&str>) -> Value {
    let content: Vec<_> = text.map(output_text).into_iter().collect();
    json!({
        "id": item_id(id),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    })
}

/// Returns the part of an output item that holds a text.
pub(crate) fn output_text(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

/// Returns the ID of the output item of a response.
pub(crate) fn item_id(response: &str) -> String {
    format!("msg_{}", response.strip_prefix(PREFIX).unwrap_or(response))
}

/// Returns the response of a turn that ended.
pub(crate) fn of_end(frame: &Frame, end: &TurnEnd) -> Value {
    let id = id_of(&end.session, end.turn);
    let status = if end.reason == StopReason::EndTurn { "completed" } else { "incomplete" };
    let output = json!([output_item(&id, status, Some(&end.text))]);
    frame.ended(&id, end.reason, output, &end.usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_session_and_turn() {
        let id = id_of("20261128_165626_91efe82e", 12);
        assert_eq!(parse_id(&id), Some((SessionId::from("20261128_165626_91efe82e"), TurnId(12))));
        for other in ["", "resp_", "resp_x_y", "resp_12", "12_session", "msg_12_session"] {
            assert_eq!(parse_id(other), None, "{other}");
        }
    }
}
