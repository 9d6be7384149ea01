//! `GET /api/boots`: the last boots.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::agents::Failure;
use crate::boots::{self, Boot};
use crate::refusal::Refusal;
use crate::site::Site;

/// Shows the last boots, this container's first, and what each did with the profiles.
#[utoipa::path(get, operation_id = "boots", path = "/api/boots", tag = "container", responses((status = 200, body = Vec<Boot>)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Result<Json<Vec<Boot>>, Refusal> {
    Ok(Json(known(&site).await?))
}

pub(crate) async fn known(site: &Arc<Site>) -> Result<Vec<Boot>, Failure> {
    site.blocking(boots::known).await
}
