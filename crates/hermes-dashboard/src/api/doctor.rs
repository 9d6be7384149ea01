//! `GET /api/doctor`: the findings of `hermes doctor`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hermes_operations::Report;
use hermes_operations::doctor::Finding;

use crate::refusal::Refusal;
use crate::site::Site;

/// Lists the problems and their hints, as `hermes doctor` does.
#[utoipa::path(get, operation_id = "doctor", path = "/api/doctor", tag = "container", responses((status = 200, body = Vec<Finding>)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Result<Json<Vec<Finding>>, Refusal> {
    Ok(Json(findings(&site).await?))
}

pub(crate) async fn findings(site: &Arc<Site>) -> Result<Vec<Finding>, Report> {
    let findings = site.blocking(|site| Ok(site.operations.findings())).await?;
    site.findings.keep(findings.len());
    Ok(findings)
}
