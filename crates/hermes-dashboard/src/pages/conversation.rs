//! The forms of the conversation on the page of an agent. All of them work without scripts.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{Method, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::conversation_part::part;
use super::{Refused, Visitor, profile};
use crate::conversation::{self, NEW, Sent, Wanted};
use crate::frame::{Frame, html};
use crate::gateway_client::{GatewayClient, segment};
use crate::site::profile_named;

/// The longest wait of a plain form for the answer. Then the page says that the agent still answers.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// The number of messages that an export reads at one time.
const EXPORT_PIECE: usize = 200;
/// The longest export, in messages.
const EXPORT_MAX: usize = 100_000;

#[derive(Template)]
#[template(path = "delete_session.html")]
struct Ask {
    frame: Frame,
    name: String,
    session: String,
}

/// Shows the conversation alone, for the script.
pub(crate) async fn show(
    visitor: Visitor,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refused> {
    let name = existing(&visitor, &name).map_err(|failure| visitor.refused(failure))?;
    Ok(Html(part(&visitor, &name, &wanted, "").await).into_response())
}

/// A message.
#[derive(Debug, Deserialize)]
pub(crate) struct Say {
    #[serde(default)]
    session: String,
    #[serde(default)]
    text: String,
}

/// Sends a message, and waits a while for the answer.
pub(crate) async fn say(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(say): Form<Say>,
) -> Result<Response, Refused> {
    let (name, client) = visitor.gateway(&name).await?;
    let refused = |failure| visitor.refused(failure);
    let session = (say.session != NEW && !say.session.is_empty()).then_some(say.session.as_str());
    let sent = conversation::say(&client, session, &say.text, &[]).await.map_err(refused)?;
    Ok(after(&visitor, &name, &client, &sent).await)
}

async fn after(visitor: &Visitor, name: &ProfileName, client: &GatewayClient, sent: &Sent) -> Response {
    if let Some(run) = &sent.run {
        conversation::wait_for_pause(client, run, ANSWER_WAIT).await;
    }
    to_session(visitor, name, &sent.session)
}

fn to_session(visitor: &Visitor, name: &ProfileName, session: &str) -> Response {
    let session: String = form_urlencoded::byte_serialize(session.as_bytes()).collect();
    let base = visitor.site.base();
    Redirect::to(&format!("{base}profiles/{name}?session={session}#say")).into_response()
}

/// An action on a session.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    /// `stop`, `rename`, `retry` or `edit`.
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    title: String,
    /// `no` if the page follows the answer itself.
    #[serde(default)]
    wait: String,
}

/// Changes a session.
pub(crate) async fn change(
    visitor: Visitor,
    Path((name, session)): Path<(String, String)>,
    Form(change): Form<Change>,
) -> Result<Response, Refused> {
    let (name, client) = visitor.gateway(&name).await?;
    let refused = |failure| visitor.refused(failure);
    match change.what.as_str() {
        "stop" => conversation::stop(&client, &session).await.map_err(refused)?,
        "rename" => {
            let path = format!("/api/sessions/{}", segment(&session).map_err(refused)?);
            let body = json!({ "title": change.title.trim() });
            client.json::<Value>(Method::PATCH, &path, Some(&body)).await.map_err(refused)?;
        }
        "retry" => {
            let sent = conversation::retry(&client, &session).await.map_err(refused)?;
            if change.wait == "no" {
                return Ok(to_session(&visitor, &name, &sent.session));
            }
            return Ok(after(&visitor, &name, &client, &sent).await);
        }
        "edit" => {
            let draft = conversation::take_back(&client, &session).await.map_err(refused)?;
            return profile::with_draft(&visitor, &name, session, &draft).await;
        }
        _ => return Err(visitor.refused(Report::new(ReportKind::BadRequest, "unknown action"))),
    }
    Ok(to_session(&visitor, &name, &session))
}

/// The answer to a question about a call of a tool.
#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    session: String,
    choice: String,
}

/// Answers the question about a call of a tool.
pub(crate) async fn approve(
    visitor: Visitor,
    Path((name, approval)): Path<(String, String)>,
    Form(choice): Form<Choice>,
) -> Result<Response, Refused> {
    let (name, client) = visitor.gateway(&name).await?;
    let refused = |failure| visitor.refused(failure);
    conversation::answer_approval(&client, &approval, &choice.choice).await.map_err(refused)?;
    Ok(to_session(&visitor, &name, &choice.session))
}

/// Downloads a session with all its messages as JSON.
pub(crate) async fn export(
    visitor: Visitor,
    Path((name, session)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let (name, client) = visitor.gateway(&name).await?;
    let refused = |failure| visitor.refused(failure);
    let id = segment(&session).map_err(refused)?;
    let path = format!("/api/sessions/{id}");
    let mut document: Value = client.json(Method::GET, &path, None).await.map_err(refused)?;
    let mut messages: Vec<Value> = Vec::new();
    while messages.len() < EXPORT_MAX {
        let after = messages.last().and_then(|message| message["id"].as_i64()).unwrap_or_default();
        let path = format!("{path}/messages?after={after}&limit={EXPORT_PIECE}");
        let mut piece: Value = client.json(Method::GET, &path, None).await.map_err(refused)?;
        let Some(more) = piece["data"].as_array_mut().filter(|more| !more.is_empty()) else { break };
        messages.append(more);
    }
    document["messages"] = messages.into();
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}-{id}.json\"")),
    ];
    Ok((headers, Body::from(document.to_string())).into_response())
}

/// Asks before a session is deleted.
pub(crate) async fn ask_delete(
    visitor: Visitor,
    Path((name, session)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let name = existing(&visitor, &name).map_err(|failure| visitor.refused(failure))?;
    let session = segment(&session).map_err(|failure| visitor.refused(failure))?.to_owned();
    Ok(html(&Ask { frame: visitor.frame(""), name: name.to_string(), session }))
}

/// Deletes a session.
pub(crate) async fn delete(
    visitor: Visitor,
    Path((name, session)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let (name, client) = visitor.gateway(&name).await?;
    let refused = |failure| visitor.refused(failure);
    let path = format!("/api/sessions/{}", segment(&session).map_err(refused)?);
    client.json::<Value>(Method::DELETE, &path, None).await.map_err(refused)?;
    Ok(Redirect::to(&format!("{}profiles/{name}", visitor.site.base())).into_response())
}

fn existing(visitor: &Visitor, name: &str) -> Result<ProfileName, Report> {
    let name = profile_named(name)?;
    visitor.site.require_profile(&name)?;
    Ok(name)
}
