//! `/api/profiles/{name}/soul`: the instructions of an agent.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hermes_operations::Report;

use crate::api::payload::{Payload, payload};
use crate::profile_files::{self, Soul, SoulChange, SoulChanged};
use crate::refusal::Refusal;
use crate::site::{Site, profile_named};

/// Shows `SOUL.md`.
#[utoipa::path(get, operation_id = "showSoul", path = "/api/profiles/{name}/soul", params(("name" = String, Path)), tag = "profiles", responses(
    (status = 200, body = Soul), (status = 404, body = Report)))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
) -> Result<Json<Soul>, Refusal> {
    let name = profile_named(&name)?;
    Ok(Json(site.blocking(move |site| profile_files::soul(site, &name)).await?))
}

/// Changes `SOUL.md`, unless it has changed since it was read.
#[utoipa::path(put, operation_id = "changeSoul", path = "/api/profiles/{name}/soul", params(("name" = String, Path)), request_body = SoulChange,
    tag = "profiles", responses((status = 200, body = Soul), (status = 404, body = Report),
    (status = 409, description = "it has changed since; this is the current text", body = Soul)))]
pub(crate) async fn change(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    change: Payload<SoulChange>,
) -> Result<Response, Refusal> {
    let (name, change) = (profile_named(&name)?, payload(change)?);
    let changed = site.blocking(move |site| profile_files::change_soul(site, &name, &change)).await?;
    Ok(match changed {
        SoulChanged::Saved(soul) => Json(soul).into_response(),
        SoulChanged::Conflict(soul) => (StatusCode::CONFLICT, Json(soul)).into_response(),
    })
}
