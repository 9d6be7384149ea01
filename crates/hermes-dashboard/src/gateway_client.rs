//! The client of a gateway's HTTP API, over the Unix socket of its profile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use hermes_core::ProfileName;
use hermes_core::gateway::api_key::{self, ApiKey, KEY_FILE_VARIABLE, KEY_VARIABLE};
use hermes_core::gateway::socket;
use hermes_operations::{Report, ReportKind, selecting};
use hermes_os::json_values::json_values;
use hermes_os::printable::printable;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::site::Site;

/// The longest wait for the head of an answer. Answers that wait for a model have none of it.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// The longest answer that is read whole, in bytes: messages with pictures.
const ANSWER_MAX: usize = 24 * 1024 * 1024;
/// The most values of an answer. A small one takes a hundred times its length in memory, and the agent may have taken its gateway over.
const VALUES_MAX: usize = 100_000;
/// The longest message of an error, in bytes.
const MESSAGE_MAX: usize = 2000;

/// The end of the message about a gateway that is down.
const DOWN: &str = " is not running";

/// Tells whether a failure is that the gateway is down. A start helps.
pub(crate) fn is_down(failure: &Report) -> bool {
    failure.what.ends_with(DOWN)
}

/// The client of one gateway.
#[derive(Clone, Debug)]
pub(crate) struct GatewayClient {
    profile: ProfileName,
    socket: Option<PathBuf>,
    /// The key of the API, which approvals need.
    key: Option<ApiKey>,
}

impl GatewayClient {
    /// Returns the client of the gateway of `profile`.
    ///
    /// # Errors
    /// There is no such profile.
    pub(crate) async fn of(site: &Arc<Site>, profile: &ProfileName) -> Result<Self, Report> {
        let profile = profile.clone();
        site.blocking(move |site| {
            site.require_profile(&profile)?;
            Ok(Self { socket: socket::find(&site.home, &profile), key: key_of(site, &profile), profile })
        })
        .await
    }

    /// Sends a request, and returns the JSON of its answer.
    ///
    /// # Errors
    /// The gateway is down, does not answer, or refuses the request.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Report> {
        let answer = timeout(ANSWER_TIME, async {
            let response = self.send(method, path, body).await?;
            self.whole(response).await
        });
        let bytes = answer.await.unwrap_or_else(|_| Err(self.silent()))?;
        if json_values(&bytes) > VALUES_MAX {
            return Err(self.odd());
        }
        serde_json::from_slice(&bytes).map_err(|error| self.odd().because(&error))
    }

    /// Sends a request, and returns its answer as it comes.
    ///
    /// # Errors
    /// The gateway is down, or refuses the request.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, Report> {
        let socket = self.socket.as_ref().ok_or_else(|| self.down())?;
        let stream = UnixStream::connect(socket).await.map_err(|_| self.down())?;
        let broken = |error: hyper::Error| self.broken().because(&error);
        let (mut sender, connection) =
            http1::handshake::<_, Body>(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the answer. An error reaches the reader of the answer, too.
        tokio::spawn(async {
            let _ = connection.await;
        });
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "gateway");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let bad = |_| Report::new(ReportKind::BadRequest, "failed to ask the gateway: the path is malformed");
        let request = request.body(body).map_err(bad)?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = self.whole(response).await.unwrap_or_default();
        Err(refusal(status, &bytes))
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes, Report> {
        let body = Body::new(response.into_body());
        axum::body::to_bytes(body, ANSWER_MAX).await.map_err(|error| self.broken().because(&error))
    }

    fn down(&self) -> Report {
        Report::new(ReportKind::TryAgain, format!("The gateway of {}{DOWN}", self.profile))
            .hint(format!("start it: the button Start, or hermes {}gateway start", selecting(&self.profile)))
    }

    /// Returns the failure of a gateway that does not answer in time.
    pub(crate) fn silent(&self) -> Report {
        Report::new(ReportKind::TryAgain, format!("The gateway of {} does not answer", self.profile))
            .hint("look at its log, or restart it")
    }

    fn broken(&self) -> Report {
        Report::new(ReportKind::TryAgain, format!("The connection to the gateway of {} broke", self.profile))
            .hint("reload the page")
    }

    fn odd(&self) -> Report {
        let what = format!("failed to read the answer of the gateway of {}", self.profile);
        Report::new(ReportKind::Failed, what).hint("restart the gateway: it may be of another version")
    }
}

/// Returns the key of the API as the gateway finds it. Without one, approvals are refused and everything else works.
fn key_of(site: &Site, profile: &ProfileName) -> Option<ApiKey> {
    // Under supervision, the key in the environment is for the default profile alone.
    let variable = |name: &str| std::env::var(name).ok().map(|value| (name.to_owned(), value));
    let environment: BTreeMap<_, _> =
        [KEY_VARIABLE, KEY_FILE_VARIABLE].into_iter().filter_map(variable).collect();
    let configured = api_key::configured(&site.home, profile, &environment, profile.is_default()).ok()?;
    configured
        .map(|configured| configured.key)
        .or_else(|| api_key::generated(&site.home.api_key(profile)).ok().flatten())
}

/// Returns the error of the gateway (OpenAI's form) as one sentence.
fn refusal(status: StatusCode, body: &[u8]) -> Report {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = document["error"]["message"].as_str().map_or_else(
        || format!("the gateway answers with the status {status}"),
        |text| {
            let lines = text[..text.floor_char_boundary(MESSAGE_MAX)].lines();
            lines.map(|line| printable(line.as_bytes())).collect::<Vec<_>>().join("; ")
        },
    );
    let kind = match status {
        StatusCode::NOT_FOUND => ReportKind::NotFound,
        StatusCode::CONFLICT => ReportKind::Conflict,
        StatusCode::BAD_REQUEST => ReportKind::Invalid,
        StatusCode::PAYLOAD_TOO_LARGE => ReportKind::TooLarge,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => ReportKind::TryAgain,
        _ => ReportKind::Failed,
    };
    let report = Report::new(kind, message);
    match document["error"]["code"].as_str() {
        Some("rate_limit_exceeded") => report.hint("the agent has too much to do: try again in a moment"),
        Some("agent_unavailable") => next_step(report),
        _ => report,
    }
}

/// Splits the message about an agent without a model: the next step follows a semicolon, with a line for each way.
fn next_step(mut report: Report) -> Report {
    let Some((what, steps)) = report.what.split_once("; ") else {
        return report.hint("set a model: hermes setup, or hermes model NAME");
    };
    let steps = steps.to_owned();
    report.what = what.to_owned();
    report.hint(steps)
}

/// Checks the ID of a session, a run or an approval before it becomes a part of a path.
///
/// # Errors
/// It has another character than letters, digits and `_-.:`.
pub(crate) fn segment(id: &str) -> Result<&str, Report> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let is_id =
        !id.is_empty() && id.len() <= 128 && id.bytes().all(fits) && !id.bytes().all(|byte| byte == b'.');
    if is_id { Ok(id) } else { Err(Report::new(ReportKind::NotFound, "there is nothing of this ID")) }
}
