//! `GET /api/doctor`: what is wrong here, and how to correct it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::agents::{Failure, Finding};
use crate::refusal::Refusal;
use crate::site::Site;

/// Says what is wrong and how to correct it, as `hermes doctor` does.
#[utoipa::path(get, operation_id = "doctor", path = "/api/doctor", tag = "container", responses((status = 200, body = Vec<Finding>)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Result<Json<Vec<Finding>>, Refusal> {
    Ok(Json(findings(&site).await?))
}

pub(crate) async fn findings(site: &Arc<Site>) -> Result<Vec<Finding>, Failure> {
    site.blocking(|site| Ok(site.operations.findings())).await
}
