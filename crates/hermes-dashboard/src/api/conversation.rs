//! The conversation of an agent for the page's script: send a message, follow its run, stop it, answer its questions.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::{StreamExt as _, stream};
use hermes_operations::Report;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, interval};
use utoipa::ToSchema;

use super::payload::{Payload, payload};
use crate::conversation::{self, Sent};
use crate::gateway_client::{GatewayClient, segment};
use crate::refusal::Refusal;
use crate::site::{Identity, Site, profile_named};
use crate::sse;

/// The interval of the check that the reader is still logged in.
const AUTHORIZATION_INTERVAL: Duration = Duration::from_secs(2);

/// A message to an agent.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewMessage {
    /// The session. Without one, the message begins one.
    #[serde(default)]
    session: Option<String>,
    /// The text.
    #[serde(default)]
    text: String,
    /// Pictures, as data URLs in Base64.
    #[serde(default)]
    pictures: Vec<String>,
}

/// The answer to a question about a call of a tool.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Choice {
    /// `once`, `session`, `always` or `deny`.
    choice: String,
}

async fn client(site: &Arc<Site>, name: &str) -> Result<GatewayClient, Report> {
    GatewayClient::of(site, &profile_named(name)?).await
}

/// Sends a message to an agent. While a turn of the session runs, the message goes into that turn.
#[utoipa::path(post, operation_id = "sendMessage", path = "/api/profiles/{name}/messages", params(("name" = String, Path)),
    request_body = NewMessage, tag = "conversation", responses((status = 202, body = Sent), (status = 404, body = Report),
    (status = 422, description = "the message is empty", body = Report), (status = 503, description = "the gateway is down", body = Report)))]
pub(crate) async fn say(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    message: Payload<NewMessage>,
) -> Result<(StatusCode, Json<Sent>), Refusal> {
    let NewMessage { session, text, pictures } = payload(message)?;
    let client = client(&site, &name).await?;
    let sent = conversation::say(&client, session.as_deref(), &text, &pictures).await?;
    Ok((StatusCode::ACCEPTED, Json(sent)))
}

/// Stops a run.
#[utoipa::path(post, operation_id = "stopSession", path = "/api/profiles/{name}/sessions/{session}/stop",
    params(("name" = String, Path), ("session" = String, Path)), tag = "conversation",
    responses((status = 204), (status = 409, description = "nothing runs", body = Report)))]
pub(crate) async fn stop(
    State(site): State<Arc<Site>>,
    Path((name, session)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    conversation::stop(&client(&site, &name).await?, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers the question about a call of a tool.
#[utoipa::path(post, operation_id = "answerApproval", path = "/api/profiles/{name}/approvals/{approval}",
    params(("name" = String, Path), ("approval" = String, Path)), request_body = Choice, tag = "conversation",
    responses((status = 204), (status = 409, description = "the question does not wait any more", body = Report)))]
pub(crate) async fn approve(
    State(site): State<Arc<Site>>,
    Path((name, approval)): Path<(String, String)>,
    choice: Payload<Choice>,
) -> Result<StatusCode, Refusal> {
    let Choice { choice } = payload(choice)?;
    conversation::answer_approval(&client(&site, &name).await?, &approval, &choice).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The events of a run on their way to a browser.
struct Relay {
    site: Arc<Site>,
    identity: Identity,
    pieces: BodyDataStream,
    checks: Interval,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Relay {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        while !self.is_over {
            tokio::select! {
                piece = self.pieces.next() => return Some((Ok(piece?.ok()?), self)),
                _ = self.checks.tick() => if !self.site.is_authorized(&self.identity) {
                    self.is_over = true;
                    return Some((Ok(Bytes::from_static(b"event: logout\ndata: null\n\n")), self));
                }
            }
        }
        None
    }
}

/// Streams the events of a run from its begin, as the gateway sends them, and `logout`.
#[utoipa::path(get, operation_id = "runEvents", path = "/api/profiles/{name}/runs/{run}/events",
    params(("name" = String, Path), ("run" = String, Path)), tag = "conversation", responses(
    (status = 200, content_type = "text/event-stream", description = "the events of the gateway's `/v1/runs/{run}/events`", body = String),
    (status = 404, description = "no such run", body = Report), (status = 503, description = "the gateway is down", body = Report)))]
pub(crate) async fn events(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
    Path((name, run)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let permit = sse::permit(&site.streams)?;
    let client = client(&site, &name).await?;
    let response = client.send(Method::GET, &format!("/v1/runs/{}/events", segment(&run)?), None).await?;
    let pieces = Body::new(response.into_body()).into_data_stream();
    let checks = interval(AUTHORIZATION_INTERVAL);
    let relay = Relay { site, identity, pieces, checks, is_over: false, _permit: permit };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Otherwise nginx collects the events.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(stream::unfold(relay, Relay::next))).into_response())
}
