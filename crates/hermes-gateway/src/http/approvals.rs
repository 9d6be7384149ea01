//! Questions about calls of tools, and their answers: `/api/approvals` and `/v1/runs/{id}/approval`.
//!
//! Each route needs the key, through the Unix socket too. A tool could reach the socket, but it has no key.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use hermes_agent::approval::{Answer, Approval, ApprovalId};
use hermes_agent::store::{Answered, SessionId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use super::app::App;
use super::approval_form::document;
use super::body::{self, Received};
use super::problem::Problem;
use super::runs;

#[derive(Deserialize)]
struct Request {
    /// `once`, `session`, `always` or `deny`.
    choice: String,
    /// The question. Without it, the only one that waits is meant.
    #[serde(default)]
    approval_id: Option<String>,
}

pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let agent = app.agent.get().await?;
    let waiting = agent.store().pending_approvals(None).await.map_err(|error| Problem::of_store(&error))?;
    let data: Vec<Value> = waiting.iter().map(document).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "object": "list", "data": data })))
}

pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    received: Received,
) -> Result<Response, Problem> {
    let request: Request = body::parse(&body::bytes(received)?)?;
    store_answer(&app, ApprovalId::from(id), &request.choice).await
}

pub(crate) async fn decide_for_run(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    received: Received,
) -> Result<Response, Problem> {
    let request: Request = body::parse(&body::bytes(received)?)?;
    let session = SessionId::from(runs::find(&app, &run)?.session().to_owned());
    let agent = app.agent.get().await?;
    let waiting =
        agent.store().pending_approvals(Some(&session)).await.map_err(|error| Problem::of_store(&error))?;
    let is_meant =
        |approval: &&Approval| request.approval_id.as_ref().is_none_or(|id| *id == approval.id.to_string());
    let mut meant = waiting.iter().filter(is_meant);
    let Some(approval) = meant.next() else {
        let message = format!("no question of run {run:?} waits for an answer");
        return Err(Problem::new(StatusCode::NOT_FOUND, "approval_not_found", message));
    };
    if meant.next().is_some() {
        let message = "several questions wait; say which one with approval_id";
        return Err(Problem::new(StatusCode::CONFLICT, "approval_ambiguous", message));
    }
    store_answer(&app, approval.id.clone(), &request.choice).await
}

async fn store_answer(app: &App, id: ApprovalId, choice: &str) -> Result<Response, Problem> {
    let Some(choice) = Answer::of_word(choice) else {
        let message = format!("{choice:?} is no answer; send once, session, always or deny");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_choice", message));
    };
    let agent = app.agent.get().await?;
    match agent.answer(&id, choice, "api").await.map_err(|error| Problem::of_store(&error))? {
        Answered::Stored(approval) => Ok(answer::json(StatusCode::OK, &document(&approval))),
        Answered::Unknown => {
            let message = format!("there is no question {:?}", id.to_string());
            Err(Problem::new(StatusCode::NOT_FOUND, "approval_not_found", message))
        }
        Answered::TooLate(_) => {
            let message = "the question was answered before, or its time is over";
            Err(Problem::new(StatusCode::CONFLICT, "approval_ended", message))
        }
    }
}
