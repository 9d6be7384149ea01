//! `POST /v1/chat/completions` (OpenAI's API reference, "Chat Completions").

use std::mem;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use hermes_agent::protocol::{Event, TurnEnd};
use hermes_agent::question::Person;
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::body::{self, Received};
use super::clock::seconds;
use super::converse::{Start, named_session};
use super::idempotency::{self, Begun};
use super::input::{self, InputMessage};
use super::problem::Problem;
use super::sse::{self, Frames, Translate};
use super::{answer, approval_form, outcome};
use crate::turns::Afterwards;

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    messages: Vec<InputMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    received: Received,
) -> Result<Response, Problem> {
    let bytes = body::bytes(received)?;
    let request: Request = body::parse(&bytes)?;
    let (system, history, message) = input::conversation(request.messages)?.split()?;
    let session = named_session(&headers)?;
    let agent = app.agent.get().await?;
    app.check_model(&agent, request.model.as_deref())?;
    let ticket = match idempotency::begin(&agent, &headers, "/v1/chat/completions", &bytes).await? {
        Begun::Run(ticket) => ticket,
        Begun::Answered(response) => return Ok(response),
    };
    let permit = app.turns.admit()?;
    let is_stored = session.is_some();
    let afterwards = if is_stored { Afterwards::Keep } else { Afterwards::Delete };
    let start = Start { session, title: None, system, history, message, person: Person::Absent, afterwards };
    let (session, running) = start.begin(&agent, permit).await?;
    let head = Head { id: String::new(), created: seconds(), model: app.model_name.clone() };
    let mut response = if request.stream == Some(true) {
        let include_usage = request.stream_options.unwrap_or_default().include_usage == Some(true);
        let chunks = Chunks { head, include_usage, has_text: false, needs_break: false };
        sse::respond(running, chunks, ticket).await?
    } else {
        let end = running.end().await?;
        let response = whole(&Head { id: id_of(&end.session, end.turn), ..head }, &end);
        let mut response = idempotency::keep(ticket, response).await;
        outcome::add_headers(response.headers_mut(), &end);
        response
    };
    if is_stored {
        outcome::add_session(response.headers_mut(), session.as_str());
    }
    Ok(response)
}

/// The fields of every object of an answer.
struct Head {
    id: String,
    created: u64,
    model: String,
}

fn id_of(session: &str, turn: i64) -> String {
    format!("chatcmpl-{session}-{turn}")
}

fn whole(head: &Head, end: &TurnEnd) -> Response {
    let choice = json!({
        "index": 0,
        "message": { "role": "assistant", "content": end.text, "refusal": null },
        "logprobs": null,
        "finish_reason": outcome::finish_reason(end.reason),
    });
    let completion = json!({
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [choice],
        "usage": outcome::chat_usage(&end.usage),
    });
    answer::json(StatusCode::OK, &completion)
}

/// The chunks of a streamed answer.
struct Chunks {
    head: Head,
    include_usage: bool,
    has_text: bool,
    /// `true` after a tool: the next text is another paragraph.
    needs_break: bool,
}

impl Chunks {
    fn chunk(&self, choices: Value, usage: Option<Value>) -> Value {
        let mut chunk = json!({
            "id": self.head.id,
            "object": "chat.completion.chunk",
            "created": self.head.created,
            "model": self.head.model,
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        chunk
    }

    fn delta(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason });
        self.chunk(json!([choice]), None)
    }
}

impl Translate for Chunks {
    fn event(&mut self, event: &Event, frames: &mut Frames) {
        match event {
            Event::TurnStarted { session, turn } => {
                self.head.id = id_of(session, *turn);
                frames.data(&self.delta(json!({ "role": "assistant", "content": "" }), None));
            }
            Event::TextDelta { text } => {
                let is_new_paragraph = mem::take(&mut self.needs_break) && self.has_text;
                self.has_text = true;
                let text = if is_new_paragraph { format!("\n\n{text}") } else { text.clone() };
                frames.data(&self.delta(json!({ "content": text }), None));
            }
            Event::ReasoningDelta { text } => {
                frames.data(&self.delta(json!({ "reasoning_content": text }), None));
            }
            Event::ToolStarted { .. } => self.needs_break = true,
            Event::ApprovalRequested { approval } => {
                // A client that does not know the field sees an empty delta.
                let mut chunk = self.delta(json!({}), None);
                chunk["hermes"] = json!({ "approval": approval_form::document(approval) });
                frames.data(&chunk);
            }
            _ => {}
        }
    }

    fn end(&mut self, end: Result<&TurnEnd, &Problem>, frames: &mut Frames) {
        let end = match end {
            Ok(end) => end,
            Err(problem) => return frames.data(&problem.document()),
        };
        frames.data(&self.delta(json!({}), Some(outcome::finish_reason(end.reason))));
        if self.include_usage {
            frames.data(&self.chunk(json!([]), Some(outcome::chat_usage(&end.usage))));
        }
        frames.data(&"[DONE]");
    }
}
