//! `GET /api/status`: for probes. It is open to everybody, so it contains no details.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::site::Site;

/// The status that a client needs before it logs in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// `ok`.
    status: &'static str,
    /// The version of hermes.
    version: String,
    /// `true` if all other routes need a login.
    auth_required: bool,
}

/// Reports that the dashboard runs.
#[utoipa::path(get, operation_id = "status", path = "/api/status", tag = "open", security(()), responses((status = 200, body = Status)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Json<Status> {
    Json(Status {
        status: "ok",
        version: site.version.clone(),
        auth_required: site.credentials.in_force().gate.is_closed(),
    })
}
