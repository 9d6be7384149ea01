//! `GET /health` and `GET /metrics`.

use std::process;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hermes_os::sandbox_level::Level;
use serde::Serialize;

use super::app::App;
use super::{answer, metrics};

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    profile: &'a str,
    state: &'static str,
    uptime_seconds: u64,
    version: &'a str,
    requests_served: u64,
    pid: u32,
    /// The parts of the sandbox of tools that the kernel has.
    sandbox: String,
}

pub(crate) async fn show(State(app): State<Arc<App>>) -> Response {
    let vitals = &app.vitals;
    let (status, word) = if vitals.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        (StatusCode::OK, "ok")
    };
    let health = Health {
        status: word,
        profile: vitals.profile.as_str(),
        state: app.observe().as_str(),
        uptime_seconds: vitals.uptime().as_secs(),
        version: &vitals.version,
        requests_served: vitals.answers().values().sum(),
        pid: process::id(),
        sandbox: Level::probe().to_string(),
    };
    answer::json(status, &health)
}

pub(crate) async fn show_metrics(State(app): State<Arc<App>>) -> Response {
    answer::with_text(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render(&app))
}
