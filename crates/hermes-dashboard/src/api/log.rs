//! `GET /api/profiles/{name}/log`: the end of a gateway's log, or what is found in it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::agents::Failure;
use crate::profile_files::{self, LINES, LogLines};
use crate::refusal::Refusal;
use crate::site::{Site, profile_named};

/// What is wanted of a log.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(crate) struct Wanted {
    /// How many lines at most; 200 unless said, 2,000 at most.
    #[serde(default)]
    lines: Option<usize>,
    /// What the lines hold, upper and lower case alike.
    #[serde(default)]
    search: String,
}

/// Shows the end of a gateway's log. What is known or looks to be secret is `***`.
#[utoipa::path(get, operation_id = "showLog", path = "/api/profiles/{name}/log", params(("name" = String, Path), Wanted), tag = "profiles", responses(
    (status = 200, body = LogLines), (status = 404, body = Failure)))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<LogLines>, Refusal> {
    let name = profile_named(&name)?;
    let lines = wanted.lines.unwrap_or(LINES);
    Ok(Json(site.blocking(move |site| profile_files::log(site, &name, lines, &wanted.search)).await?))
}
