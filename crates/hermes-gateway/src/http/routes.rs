//! The routes of the API, and the checks before them.

use std::process;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use hermes_server::{HostError, Transport, check_host};
use serde::Serialize;

use super::metrics;
use super::vitals::Vitals;

/// The longest body of a request, in bytes.
pub(crate) const REQUEST_BODY_MAX: usize = 1024 * 1024;

/// The routes that also answer while the gateway drains.
const ALWAYS: [&str; 2] = ["/health", "/metrics"];

/// The label for a request without a route. With its path as the label, clients could create any number of label values.
const NO_ROUTE: &str = "other";

/// Marks a request on a connection that was opened while the gateway drained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused;

/// Returns all routes of the gateway. The agent's own routes belong here.
pub(crate) fn router(vitals: Arc<Vitals>) -> Router {
    let routes = Router::new().route("/health", get(health)).route("/metrics", get(metrics));
    finish(routes, vitals)
}

/// Adds the fallbacks, limits and checks that all routes share.
pub(crate) fn finish(routes: Router<Arc<Vitals>>, vitals: Arc<Vitals>) -> Router {
    routes
        .fallback(async || problem(StatusCode::NOT_FOUND, "no such path"))
        .method_not_allowed_fallback(async || {
            problem(StatusCode::METHOD_NOT_ALLOWED, "this path does not support the method")
        })
        .layer(DefaultBodyLimit::max(REQUEST_BODY_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&vitals), admit))
        .with_state(vitals)
}

/// Refuses requests that must not reach a route, and counts every answer.
async fn admit(State(vitals): State<Arc<Vitals>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let refused = request.extensions().get::<Refused>().is_some();
    let response = if let Some(host) = refused_host(&request, &vitals.allowed_hosts) {
        let error = format!("this gateway does not answer to the name {host:?}");
        let hint = "allow it: API_SERVER_ALLOWED_HOSTS=NAME, or gateway.allowed_hosts in config.yaml";
        json(StatusCode::MISDIRECTED_REQUEST, &serde_json::json!({ "error": error, "hint": hint }))
    } else if refused && !ALWAYS.contains(&route) {
        let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        response
    } else if request.body().size_hint().lower() > REQUEST_BODY_MAX as u64 {
        problem(StatusCode::PAYLOAD_TOO_LARGE, "the request body is too long")
    } else {
        next.run(request).await
    };
    vitals.count_answer(route, response.status().as_u16());
    response
}

/// Returns the host for which a request through the TCP port is refused. A request without a host passes, because every browser
/// names one. Web pages cannot reach the Unix socket.
fn refused_host(request: &Request, allowed: &[String]) -> Option<String> {
    if request.extensions().get::<Transport>() != Some(&Transport::Tcp) {
        return None;
    }
    match check_host(request, allowed) {
        Ok(()) | Err(HostError::Missing) => None,
        Err(HostError::NotAllowed(host)) => Some(host),
    }
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    profile: &'a str,
    state: &'static str,
    uptime_seconds: u64,
    version: &'a str,
    requests_served: u64,
    pid: u32,
}

async fn health(State(vitals): State<Arc<Vitals>>) -> Response {
    let (status, word) = if vitals.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        (StatusCode::OK, "ok")
    };
    let health = Health {
        status: word,
        profile: vitals.profile.as_str(),
        state: vitals.state().as_str(),
        uptime_seconds: vitals.uptime().as_secs(),
        version: &vitals.version,
        requests_served: vitals.answers().values().sum(),
        pid: process::id(),
    };
    json(status, &health)
}

async fn metrics(State(vitals): State<Arc<Vitals>>) -> Response {
    answer(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render(&vitals))
}

/// Returns an error for a program: `{"error": …}`.
fn problem(status: StatusCode, error: &str) -> Response {
    json(status, &serde_json::json!({ "error": error }))
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(mut text) => {
            text.push('\n');
            answer(status, "application/json", text)
        }
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // The answers describe the current state.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
