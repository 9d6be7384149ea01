//! `GET /api/profiles/{name}/log`: the end of a gateway's log, or the lines that a search finds.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use hermes_operations::Report;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::profile_files::{self, LINES, LogLines};
use crate::refusal::Refusal;
use crate::site::{Site, profile_named};

/// The query of a log.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(crate) struct Wanted {
    /// The maximum number of lines: 200 by default, 2,000 at most.
    #[serde(default)]
    lines: Option<usize>,
    /// A text that the lines contain, regardless of case.
    #[serde(default)]
    search: String,
}

/// Shows the end of a gateway's log. Known and likely secrets are `***`.
#[utoipa::path(get, operation_id = "showLog", path = "/api/profiles/{name}/log", params(("name" = String, Path), Wanted), tag = "profiles", responses(
    (status = 200, body = LogLines), (status = 404, body = Report)))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<LogLines>, Refusal> {
    let name = profile_named(&name)?;
    let lines = wanted.lines.unwrap_or(LINES);
    Ok(Json(site.blocking(move |site| profile_files::log(site, &name, lines, &wanted.search)).await?))
}
