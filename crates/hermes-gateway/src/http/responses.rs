//! `/v1/responses` (OpenAI's API reference, "Responses"). The store keeps a response as a turn of a session, so that its ID names both.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use hermes_agent::agent::Agent;
use hermes_agent::message::{Message, Role};
use hermes_agent::protocol::StopReason;
use hermes_agent::question::Person;
use hermes_agent::store::{FindError, SessionId, TurnId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::body::{self, Received};
use super::clock::seconds;
use super::converse::Start;
use super::idempotency::{self, Begun};
use super::problem::Problem;
use super::response::{Frame, id_of, of_end, output_item, parse_id};
use super::response_events::ResponseEvents;
use super::{answer, input, outcome, sse};
use crate::turns::Afterwards;

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    instructions: Option<String>,
    #[serde(default)]
    previous_response_id: Option<String>,
    #[serde(default)]
    conversation: Option<Named>,
    #[serde(default)]
    store: Option<bool>,
    #[serde(default)]
    stream: Option<bool>,
}

/// A named conversation: its name, or an object that has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Name(String),
    Object { id: String },
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    received: Received,
) -> Result<Response, Problem> {
    let bytes = body::bytes(received)?;
    let request: Request = body::parse(&bytes)?;
    let (system, history, message) = input::of_input(request.input)?.split()?;
    let agent = app.agent.get().await?;
    app.check_model(&agent, request.model.as_deref())?;
    let ticket = match idempotency::begin(&agent, &headers, "/v1/responses", &bytes).await? {
        Begun::Run(ticket) => ticket,
        Begun::Answered(response) => return Ok(response),
    };
    let permit = app.turns.admit()?;
    let is_stored = request.store != Some(false);
    let system = request.instructions.clone().or(system);
    let mut start = Start {
        session: None,
        title: None,
        system,
        history,
        message,
        person: Person::Absent,
        afterwards: if is_stored { Afterwards::Keep } else { Afterwards::Delete },
    };
    match (&request.previous_response_id, request.conversation) {
        (Some(_), Some(_)) => {
            let message =
                "failed to begin a response: it has previous_response_id and conversation; send one of them";
            return Err(Problem::invalid(message));
        }
        (Some(id), None) => start.session = Some(continued(&agent, id).await?),
        (None, Some(Named::Name(name) | Named::Object { id: name })) => {
            start.session = named(&agent, &name).await?;
            start.title = start.session.is_none().then_some(name);
        }
        (None, None) => {}
    }
    if !is_stored && (start.session.is_some() || start.title.is_some()) {
        let message = "failed to begin a response: a conversation is stored, so store must not be false";
        return Err(Problem::invalid(message));
    }
    let frame = Frame {
        model: app.model_name.clone(),
        created: seconds(),
        instructions: request.instructions,
        previous: request.previous_response_id,
        is_stored,
    };
    let (session, running) = start.begin(&agent, permit).await?;
    let mut response = if request.stream == Some(true) {
        sse::respond(running, ResponseEvents::new(frame), ticket).await?
    } else {
        let end = running.end().await?;
        let mut response =
            idempotency::keep(ticket, answer::json(StatusCode::OK, &of_end(&frame, &end))).await;
        outcome::add_headers(response.headers_mut(), &end);
        response
    };
    if is_stored {
        outcome::add_session(response.headers_mut(), session.as_str());
    }
    Ok(response)
}

/// Returns the session that a response continues. A response that is not the newest of its session has no session of its own.
async fn continued(agent: &Agent, id: &str) -> Result<SessionId, Problem> {
    let (session, turn) = find(agent, id).await?;
    if newest(agent, &session).await? == Some(turn) {
        return Ok(session);
    }
    let message = format!(
        "failed to continue {id}: another response follows it; continue the newest response, or POST /api/sessions/{}/fork \
         before the next one",
        session.as_str()
    );
    Err(Problem::new(StatusCode::CONFLICT, "response_not_newest", message))
}

async fn newest(agent: &Agent, session: &SessionId) -> Result<Option<TurnId>, Problem> {
    let turns = agent.store().turns(session).await.map_err(|error| Problem::of_store(&error))?;
    Ok(turns.last().copied())
}

/// Returns the session with this title or ID.
async fn named(agent: &Agent, name: &str) -> Result<Option<SessionId>, Problem> {
    match agent.store().find(name).await {
        Ok(session) => Ok(Some(session)),
        Err(FindError::None { .. }) => Ok(None),
        Err(FindError::Store(error)) => Err(Problem::of_store(&error)),
        Err(error @ FindError::Ambiguous { .. }) => Err(Problem::invalid(error.to_string())),
    }
}

/// Finds the session and the turn of a response.
async fn find(agent: &Agent, id: &str) -> Result<(SessionId, TurnId), Problem> {
    let unknown = || {
        let message = format!("there is no response {id:?}");
        Problem::new(StatusCode::NOT_FOUND, "response_not_found", message)
    };
    let (session, turn) = parse_id(id).ok_or_else(unknown)?;
    let record = agent.store().turn(turn).await.map_err(|error| Problem::of_store(&error))?;
    match record {
        Some(record) if record.session == session => Ok((session, turn)),
        _ => Err(unknown()),
    }
}

pub(crate) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let agent = app.agent.get().await?;
    let (session, turn) = find(&agent, &id).await?;
    let store = agent.store();
    let failed = |error| Problem::of_store(&error);
    let record = store.turn(turn).await.map_err(failed)?;
    let messages = store.messages(&session, 0, u32::MAX).await.map_err(failed)?;
    let of_turn = || messages.iter().filter(|stored| stored.turn == Some(turn));
    if of_turn().all(|stored| stored.hidden == Some(hermes_agent::store::Hidden::Undone)) {
        let message = format!("there is no response {id:?}");
        return Err(Problem::new(StatusCode::NOT_FOUND, "response_not_found", message));
    }
    let text = of_turn().rfind(|stored| stored.message.role == Role::Assistant);
    let text = text.map(|stored| Message::plain_text(&stored.message)).unwrap_or_default();
    let turns = store.turns(&session).await.map_err(failed)?;
    let previous = turns.iter().rev().find(|other| **other < turn);
    let frame = Frame {
        model: app.model_name.clone(),
        created: record.as_ref().map_or(0, |record| record.started_at.unsigned_abs() / 1000),
        instructions: None,
        previous: previous.map(|previous| id_of(session.as_str(), previous.0)),
        is_stored: true,
    };
    let usage = record.as_ref().map(|record| record.usage).unwrap_or_default();
    let reason = record.as_ref().and_then(|record| record.reason);
    let item = |status| json!([output_item(&id, status, Some(&text))]);
    let document = match reason {
        None => frame.document(&id, "in_progress", json!([]), None),
        Some(StopReason::Failed | StopReason::Died | StopReason::Budget) => {
            let mut document = frame.document(&id, "failed", json!([]), Some(&usage));
            let error = record.and_then(|record| record.error);
            let message = error.map_or_else(|| "the turn failed".to_owned(), |error| error.message);
            document["error"] = json!({ "code": "server_error", "message": message });
            document
        }
        Some(StopReason::EndTurn) => frame.ended(&id, StopReason::EndTurn, item("completed"), &usage),
        Some(reason) => frame.ended(&id, reason, item("incomplete"), &usage),
    };
    Ok(answer::json(StatusCode::OK, &document))
}

pub(crate) async fn delete(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let agent = app.agent.get().await?;
    let (session, turn) = find(&agent, &id).await?;
    let failed = |error| Problem::of_store(&error);
    let turns = agent.store().turns(&session).await.map_err(failed)?;
    if turns == [turn] {
        agent.store().delete(&session).await.map_err(failed)?;
    } else if turns.last() == Some(&turn) {
        agent.store().undo(&session).await.map_err(failed)?;
    } else {
        let message = format!("failed to delete {id}: another response follows it; delete the newest first");
        return Err(Problem::new(StatusCode::CONFLICT, "response_not_newest", message));
    }
    Ok(answer::json(StatusCode::OK, &json!({ "id": id, "object": "response", "deleted": true })))
}
