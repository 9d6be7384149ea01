//! `GET /api/doctor`: the findings of `hermes doctor`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::agents::{Failure, Finding};
use crate::site::Site;

/// Lists the problems and their hints, as `hermes doctor` does.
#[utoipa::path(get, operation_id = "doctor", path = "/api/doctor", tag = "container", responses((status = 200, body = Vec<Finding>)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Result<Json<Vec<Finding>>, Failure> {
    findings(&site).await.map(Json)
}

pub(crate) async fn findings(site: &Arc<Site>) -> Result<Vec<Finding>, Failure> {
    site.blocking(|site| site.agents.findings()).await
}
