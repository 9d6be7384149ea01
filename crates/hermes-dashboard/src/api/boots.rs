//! `GET /api/boots`: the last boots.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hermes_operations::Report;

use crate::boots::{self, Boot};
use crate::refusal::Refusal;
use crate::site::Site;

/// Lists the last boots with their actions on the profiles. The boot of this container comes first.
#[utoipa::path(get, operation_id = "boots", path = "/api/boots", tag = "container", responses((status = 200, body = Vec<Boot>)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Result<Json<Vec<Boot>>, Refusal> {
    Ok(Json(known(&site).await?))
}

pub(crate) async fn known(site: &Arc<Site>) -> Result<Vec<Boot>, Report> {
    site.blocking(boots::known).await
}
