//! `/api/sessions`: the stored sessions, and turns in them.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use hermes_agent::agent::{Agent, NewConversation};
use hermes_agent::message::{Message, Role};
use hermes_agent::protocol::TurnEnd;
use hermes_agent::question::Person;
use hermes_agent::store::{Filter, Session, SessionId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::body::{self, Received};
use super::converse::{SOURCE, Start, begin_session};
use super::idempotency::{self, Begun, Ticket};
use super::input::Content;
use super::problem::Problem;
use super::run_events::RunEvents;
use super::{answer, outcome, sse};
use crate::turns::{Afterwards, Running, steer};

/// The number of sessions in a list, unless the request names another one.
const LIMIT: u32 = 50;

/// The most messages that a search for sessions finds.
const HITS_MAX: u32 = 2000;

/// The most sessions in a list.
const LIMIT_MAX: u32 = 1000;

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut filter, mut search) = (Filter::default(), None);
    let mut limit = LIMIT;
    for (name, value) in form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "limit" => limit = limit_of(&value)?,
            "source" => filter.source = Some(value.into_owned()),
            "search" => search = Some(value.into_owned()).filter(|text| !text.trim().is_empty()),
            _ => {}
        }
    }
    // A search looks at all titles.
    filter.limit = search.is_none().then_some(limit);
    let agent = app.agent.get().await?;
    let failed = |error| Problem::of_store(&error);
    let mut sessions = agent.store().list(filter).await.map_err(failed)?;
    if let Some(search) = search {
        let hits = agent.store().search(&search, HITS_MAX).await.map_err(failed)?;
        let found: HashSet<_> = hits.into_iter().map(|hit| hit.session).collect();
        let wanted = search.to_lowercase();
        let has_title = |session: &Session| {
            session.title.as_ref().is_some_and(|title| title.to_lowercase().contains(&wanted))
        };
        sessions.retain(|session| found.contains(&session.id) || has_title(session));
        sessions.truncate(limit as usize);
    }
    let data: Vec<_> = sessions.iter().map(document).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "object": "list", "data": data })))
}

/// Returns the names and values of a query. No name or value here needs an escape.
fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='))
}

fn limit_of(text: &str) -> Result<u32, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| Problem::invalid("limit must be a number from 1 to 1000"))
}

#[derive(Deserialize)]
struct New {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    system: Option<String>,
}

pub(crate) async fn create(State(app): State<Arc<App>>, received: Received) -> Result<Response, Problem> {
    let New { title, system } = body::parse(&body::bytes(received)?)?;
    let agent = app.agent.get().await?;
    let new = NewConversation {
        source: SOURCE.to_owned(),
        title: title.filter(|title| !title.trim().is_empty()),
        client_system: system,
        ..NewConversation::default()
    };
    let id = begin_session(&agent, new).await?;
    shown(&agent, &id, StatusCode::CREATED).await
}

pub(crate) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let agent = app.agent.get().await?;
    shown(&agent, &SessionId::from(id), StatusCode::OK).await
}

#[derive(Deserialize)]
struct Change {
    title: Option<String>,
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    received: Received,
) -> Result<Response, Problem> {
    let Change { title } = body::parse(&body::bytes(received)?)?;
    let (agent, id) = (app.agent.get().await?, SessionId::from(id));
    let title = title.filter(|title| !title.trim().is_empty());
    agent.store().rename(&id, title).await.map_err(|error| Problem::of_store(&error))?;
    shown(&agent, &id, StatusCode::OK).await
}

pub(crate) async fn delete(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let agent = app.agent.get().await?;
    agent.store().delete(&SessionId::from(id.as_str())).await.map_err(|error| Problem::of_store(&error))?;
    Ok(answer::json(StatusCode::OK, &json!({ "id": id, "object": "hermes.session", "deleted": true })))
}

pub(crate) async fn messages(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut after, mut before, mut limit) = (0, None, LIMIT_MAX);
    for (name, value) in pairs(query.as_deref()) {
        match name {
            "limit" => limit = limit_of(value)?,
            "after" => {
                after = value.parse().map_err(|_| Problem::invalid("after must be the ID of a message"))?;
            }
            "before" => {
                let id = value.parse().map_err(|_| Problem::invalid("before must be the ID of a message"))?;
                before = Some(id);
            }
            _ => {}
        }
    }
    let agent = app.agent.get().await?;
    let id = SessionId::from(id);
    let stored = match before {
        Some(before) => agent.store().messages_before(&id, before, limit).await,
        None => agent.store().messages(&id, after, limit).await,
    };
    let stored = stored.map_err(|error| Problem::of_store(&error))?;
    let data: Vec<_> = stored
        .iter()
        .map(|stored| {
            json!({
                "id": stored.id,
                "turn": stored.turn,
                "at": stored.at,
                "role": stored.message.role,
                "content": stored.message.plain_text(),
                "blocks": stored.message.blocks,
                "model": stored.model,
                "interrupted": stored.interrupted,
                "summary": stored.summary,
                "hidden": stored.hidden,
            })
        })
        .collect();
    Ok(answer::json(StatusCode::OK, &json!({ "object": "list", "session_id": id, "data": data })))
}

pub(crate) async fn undo(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let agent = app.agent.get().await?;
    let taken = agent.store().undo(&SessionId::from(id.as_str())).await;
    let Some(message) = taken.map_err(|error| Problem::of_store(&error))? else {
        let message =
            "there is no turn to take back: the session is empty, or was compacted after its last turn";
        return Err(Problem::new(StatusCode::CONFLICT, "nothing_to_undo", message));
    };
    let document = json!({
        "object": "hermes.message",
        "session_id": id,
        "status": "undone",
        "content": message.plain_text(),
        "blocks": message.blocks,
    });
    Ok(answer::json(StatusCode::OK, &document))
}

pub(crate) async fn fork(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let agent = app.agent.get().await?;
    let copy = agent.store().fork(&SessionId::from(id)).await.map_err(|error| Problem::of_store(&error))?;
    shown(&agent, &copy, StatusCode::CREATED).await
}

#[derive(Deserialize)]
struct Turn {
    #[serde(alias = "input")]
    message: Content,
}

pub(crate) async fn chat(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    received: Received,
) -> Result<Response, Problem> {
    let (session, running, ticket) = match begin(&app, &id, "chat", &headers, received).await? {
        Started::Turn(session, running, ticket) => (session, running, ticket),
        Started::Answered(response) => return Ok(response),
    };
    let end = running.end().await?;
    let mut response = idempotency::keep(ticket, answer::json(StatusCode::OK, &turn_document(&end))).await;
    outcome::add_headers(response.headers_mut(), &end);
    outcome::add_session(response.headers_mut(), session.as_str());
    Ok(response)
}

pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    received: Received,
) -> Result<Response, Problem> {
    let (session, running, ticket) = match begin(&app, &id, "chat/stream", &headers, received).await? {
        Started::Turn(session, running, ticket) => (session, running, ticket),
        Started::Answered(response) => return Ok(response),
    };
    let events = RunEvents::new(session.to_string());
    let mut response = sse::respond(running, events, ticket).await?;
    outcome::add_session(response.headers_mut(), session.as_str());
    Ok(response)
}

fn turn_document(end: &TurnEnd) -> Value {
    json!({
        "object": "hermes.turn",
        "session_id": end.session,
        "turn": end.turn,
        "reason": end.reason,
        "text": end.text,
        "usage": end.usage,
    })
}

enum Started {
    Turn(SessionId, Running, Option<Ticket>),
    Answered(Response),
}

async fn begin(
    app: &App,
    id: &str,
    verb: &str,
    headers: &HeaderMap,
    received: Received,
) -> Result<Started, Problem> {
    let bytes = body::bytes(received)?;
    let Turn { message } = body::parse(&bytes)?;
    let message = Message { role: Role::User, blocks: message.blocks()? };
    let agent = app.agent.get().await?;
    let session = SessionId::from(id);
    must_exist(&agent, &session).await?;
    let path = format!("/api/sessions/{id}/{verb}");
    let ticket = match idempotency::begin(&agent, headers, &path, &bytes).await? {
        Begun::Run(ticket) => ticket,
        Begun::Answered(response) => return Ok(Started::Answered(response)),
    };
    if app.turns.is_running(&session) {
        let response = match steer(&agent, &session, message).await? {
            None => {
                let document =
                    json!({ "object": "hermes.message", "session_id": session, "status": "steered" });
                answer::json(StatusCode::ACCEPTED, &document)
            }
            Some(end) => answer::json(StatusCode::OK, &turn_document(&end)),
        };
        return Ok(Started::Answered(idempotency::keep(ticket, response).await));
    }
    let permit = app.turns.admit()?;
    let start = Start {
        session: Some(session),
        title: None,
        system: None,
        history: Vec::new(),
        message,
        person: Person::CanReply,
        afterwards: Afterwards::Keep,
    };
    let (session, running) = start.begin(&agent, permit).await?;
    Ok(Started::Turn(session, running, ticket))
}

/// Returns the session of this ID.
///
/// # Errors
/// There is none, or the store failed.
pub(crate) async fn must_exist(agent: &Agent, id: &SessionId) -> Result<Session, Problem> {
    let found = agent.store().session(id).await.map_err(|error| Problem::of_store(&error))?;
    found.ok_or_else(|| {
        let message = format!("there is no session {:?}; GET /api/sessions lists them", id.as_str());
        Problem::new(StatusCode::NOT_FOUND, "session_not_found", message)
    })
}

async fn shown(agent: &Agent, id: &SessionId, status: StatusCode) -> Result<Response, Problem> {
    Ok(answer::json(status, &document(&must_exist(agent, id).await?)))
}

fn document(session: &Session) -> Value {
    json!({
        "object": "hermes.session",
        "id": session.id,
        "title": session.title,
        "preview": session.preview,
        "source": session.source,
        "model": session.model,
        "parent": session.parent,
        "created_at": session.created_at,
        "active_at": session.active_at,
        "messages": session.messages,
        "usage": session.usage,
        "busy": session.busy,
    })
}
