//! Requests with an `Idempotency-Key`: a repetition gets the stored answer, also after a restart.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use hermes_agent::agent::Agent;
use hermes_agent::store::Request;
use hermes_core::chain;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::outcome::SESSION_ID;
use super::problem::Problem;
use super::sse;
use crate::say::warn;

/// The header.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Marks an answer that was stored.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The longest key, in bytes.
const KEY_MAX: usize = 255;

/// The longest answer that is stored, in bytes.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// The begin of a request.
pub(crate) enum Begun {
    /// The caller runs it.
    Run(Option<Ticket>),
    /// It ran before, with this answer.
    Answered(Response),
}

/// The right to run a request with a key. If it is dropped, a repetition runs the request again.
pub(crate) struct Ticket {
    agent: Arc<Agent>,
    /// `None` after the answer was stored.
    key: Option<String>,
}

/// An answer as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    status: u16,
    content_type: String,
    #[serde(default)]
    session: Option<String>,
    body: String,
}

/// Begins a request to `path`, if it has a key.
///
/// # Errors
/// The key is malformed, belongs to another request, or its request runs.
pub(crate) async fn begin(
    agent: &Arc<Agent>,
    headers: &HeaderMap,
    path: &str,
    body: &Bytes,
) -> Result<Begun, Problem> {
    let Some(value) = headers.get(KEY) else { return Ok(Begun::Run(None)) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_MAX);
    let key = key.ok_or_else(|| Problem::invalid("Idempotency-Key must have 1 to 255 ASCII characters"))?;
    let session = headers.get(SESSION_ID).map(HeaderValue::as_bytes).unwrap_or_default();
    let fingerprint = fingerprint([path.as_bytes(), session, body]);
    let begun = agent.begin_request(key, &fingerprint).await.map_err(|error| Problem::of_store(&error))?;
    match begun {
        Request::New => Ok(Begun::Run(Some(Ticket { agent: Arc::clone(agent), key: Some(key.to_owned()) }))),
        Request::Running => {
            let message = "a request with this Idempotency-Key runs; repeat it after its end";
            let problem = Problem::new(StatusCode::CONFLICT, "idempotency_key_in_use", message);
            Err(problem.with_retry_after(Duration::from_secs(5)))
        }
        Request::Mismatch => {
            let message = "this Idempotency-Key belongs to a request with another body; use a new key";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message))
        }
        Request::Done { response } => match serde_json::from_str::<Stored>(&response) {
            Ok(stored) => Ok(Begun::Answered(stored.response())),
            Err(error) => {
                let message = format!("failed to read the stored answer: {error}");
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message))
            }
        },
    }
}

fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let mut text = String::with_capacity(64);
    for byte in digest.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Stored {
    /// Returns the stored form of a stream.
    pub(crate) fn stream(body: String) -> Self {
        Self { status: 200, content_type: sse::CONTENT_TYPE.to_owned(), session: None, body }
    }

    fn response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        if let Ok(kind) = HeaderValue::from_str(&self.content_type) {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        if let Some(session) = self.session {
            super::outcome::add_session(headers, &session);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

impl Ticket {
    /// Stores the answer.
    pub(crate) async fn finish(mut self, stored: &Stored) {
        let (Some(key), Ok(text)) = (self.key.take(), serde_json::to_string(stored)) else { return };
        if let Err(error) = self.agent.store().finish_request(&key, &text).await {
            warn(chain(&error));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Outside the runtime, the process ends, and its requests count as new.
        let (Some(key), Ok(runtime)) = (self.key.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let agent = Arc::clone(&self.agent);
        runtime.spawn(async move {
            if let Err(error) = agent.store().forget_request(&key).await {
                warn(chain(&error));
            }
        });
    }
}

/// Stores a whole answer that succeeded, and returns it.
pub(crate) async fn keep(ticket: Option<Ticket>, response: Response) -> Response {
    let Some(ticket) = ticket.filter(|_| response.status().is_success()) else { return response };
    let (parts, body) = response.into_parts();
    let text =
        |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    // The body is in memory already.
    let body = to_bytes(body, ANSWER_MAX).await.unwrap_or_default();
    let stored = Stored {
        status: parts.status.as_u16(),
        content_type: text(header::CONTENT_TYPE).unwrap_or_default(),
        session: text(SESSION_ID),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    ticket.finish(&stored).await;
    Response::from_parts(parts, Body::from(body))
}
