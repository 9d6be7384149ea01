//! `/v1/runs`: turns that run without a connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::stream;
use hermes_agent::question::Person;
use hermes_agent::store::SessionId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time;

use super::app::App;
use super::body::{self, Received};
use super::converse::Start;
use super::idempotency::{self, Begun};
use super::input;
use super::problem::Problem;
use super::run_registry::{Run, follow};
use super::sessions::must_exist;
use super::{answer, outcome, sse};
use crate::turns::Afterwards;

/// The interval of comments in a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: Option<String>,
    input: Value,
    #[serde(default)]
    instructions: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
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
    let session = request.session_id.map(SessionId::from);
    if let Some(session) = &session {
        must_exist(&agent, session).await?;
    }
    let ticket = match idempotency::begin(&agent, &headers, "/v1/runs", &bytes).await? {
        Begun::Run(ticket) => ticket,
        Begun::Answered(response) => return Ok(response),
    };
    let permit = app.turns.admit()?;
    let system = request.instructions.or(system);
    let start = Start {
        session,
        title: None,
        system,
        history,
        message,
        person: Person::CanReply,
        afterwards: Afterwards::Keep,
    };
    let (session, running) = start.begin(&agent, permit).await?;
    let run = app.runs.add(session.to_string());
    tokio::spawn(follow(Arc::clone(&run), running));
    let mut response = answer::json(StatusCode::ACCEPTED, &run.document());
    outcome::add_session(response.headers_mut(), session.as_str());
    Ok(idempotency::keep(ticket, response).await)
}

pub(crate) async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let session = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "session_id");
    let runs = app.runs.newest(session.as_ref().map(|(_, session)| session.as_ref()));
    let data: Vec<Value> = runs.iter().map(|run| run.document()).collect();
    answer::json(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

pub(crate) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(answer::json(StatusCode::OK, &find(&app, &id)?.document()))
}

pub(crate) async fn stop(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let run = find(&app, &id)?;
    run.stop();
    Ok(answer::json(StatusCode::OK, &run.document()))
}

pub(crate) async fn events(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let run = find(&app, &id)?;
    let changes = run.changes();
    let frames = stream::unfold((run, changes, 0), |(run, mut changes, sent)| async move {
        loop {
            changes.mark_unchanged();
            let (text, is_over) = run.frames_from(sent);
            let next = sent + text.len();
            if !text.is_empty() {
                return Some((Ok::<_, Infallible>(Bytes::from(text)), (run, changes, next)));
            }
            if is_over {
                return None;
            }
            if time::timeout(KEEP_ALIVE, changes.changed()).await.is_err() {
                return Some((Ok(Bytes::from_static(b": keep-alive\n\n")), (run, changes, sent)));
            }
        }
    });
    Ok(sse::response(Body::from_stream(frames)))
}

/// Returns the run of this ID.
///
/// # Errors
/// There is none.
pub(crate) fn find(app: &App, id: &str) -> Result<Arc<Run>, Problem> {
    app.runs.find(id).ok_or_else(|| {
        let message = format!(
            "there is no run {id:?}; a gateway forgets its runs when it ends, and the session keeps the messages"
        );
        Problem::new(StatusCode::NOT_FOUND, "run_not_found", message)
    })
}
