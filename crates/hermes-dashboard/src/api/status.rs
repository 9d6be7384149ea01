//! `GET /api/status`: for probes, open to everybody, so it says next to nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::site::Site;

/// That it lives, and what a client has to know before it logs in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// `ok`.
    status: &'static str,
    /// Of hermes.
    version: String,
    /// Whether everything else needs a login.
    auth_required: bool,
}

/// Says that the dashboard lives.
#[utoipa::path(get, operation_id = "status", path = "/api/status", tag = "open", security(()), responses((status = 200, body = Status)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Json<Status> {
    Json(Status {
        status: "ok",
        version: site.version.clone(),
        auth_required: site.credentials.in_force().gate.is_closed(),
    })
}
