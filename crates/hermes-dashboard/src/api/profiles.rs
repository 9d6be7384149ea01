//! `/api/profiles`: the profiles and their gateways.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind, Verb};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actions;
use crate::api::payload::{Payload, payload};
use crate::board::Profile;
use crate::profile_files::{self, Setting};
use crate::refresh;
use crate::refusal::Refusal;
use crate::site::{Site, profile_named};

/// All profiles.
#[derive(Serialize, ToSchema)]
pub(crate) struct Profiles {
    /// The profiles: the default one first, the others by name.
    profiles: Vec<Profile>,
    /// The version for `/api/events?since=`. Each change increases it.
    version: u64,
}

/// A new profile.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewProfile {
    /// The name: a lower-case letter or digit, then any of those, `_` and `-`.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]*$", max_length = 243)]
    name: String,
}

/// The confirmation of a deletion.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Confirmed {
    /// The name of the profile, again.
    confirm: String,
}

/// Lists the profiles, each with its gateway.
#[utoipa::path(get, operation_id = "listProfiles", path = "/api/profiles", tag = "profiles", responses((status = 200, body = Profiles)))]
pub(crate) async fn list(State(site): State<Arc<Site>>) -> Result<Json<Profiles>, Refusal> {
    let snapshot = refresh::recent(&site).await?;
    Ok(Json(Profiles {
        profiles: snapshot.rows.iter().map(|row| row.profile.clone()).collect(),
        version: snapshot.version,
    }))
}

/// Shows one profile.
#[utoipa::path(get, operation_id = "showProfile", path = "/api/profiles/{name}", params(("name" = String, Path)), tag = "profiles", responses(
    (status = 200, body = Profile), (status = 404, body = Report)))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
) -> Result<Json<Profile>, Refusal> {
    Ok(Json(one(&site, &profile_named(&name)?).await?))
}

/// Returns a profile of the last refresh.
///
/// # Errors
/// There is no such profile.
async fn one(site: &Arc<Site>, profile: &ProfileName) -> Result<Profile, Report> {
    actions::profile_and_version(site, profile).await.map(|(profile, _)| profile)
}

/// Creates a profile, with a port and a stopped gateway.
#[utoipa::path(post, operation_id = "createProfile", path = "/api/profiles", request_body = NewProfile, tag = "profiles", responses(
    (status = 201, body = Profile), (status = 409, description = "the profile exists", body = Report),
    (status = 422, description = "the name is invalid", body = Report)))]
pub(crate) async fn create(
    State(site): State<Arc<Site>>,
    new: Payload<NewProfile>,
) -> Result<(StatusCode, Json<Profile>), Refusal> {
    let name = actions::create(&site, &payload(new)?.name).await?;
    Ok((StatusCode::CREATED, Json(one(&site, &name).await?)))
}

/// Starts, stops or restarts a gateway. Answers when it is ready, or stopped.
#[utoipa::path(post, operation_id = "driveGateway", path = "/api/profiles/{name}/{verb}",
    params(("name" = String, Path), ("verb" = Verb, Path)), tag = "profiles", responses(
    (status = 200, body = Profile), (status = 404, body = Report), (status = 500, description = "the gateway does not start", body = Report),
    (status = 501, description = "there is no supervisor", body = Report), (status = 503, description = "the time-out is over", body = Report)))]
pub(crate) async fn drive(
    State(site): State<Arc<Site>>,
    Path((name, verb)): Path<(String, String)>,
) -> Result<Json<Profile>, Refusal> {
    let verb = Verb::of(&verb)
        .ok_or_else(|| Report::new(ReportKind::NotFound, "unknown action").hint("start, stop or restart"))?;
    let name = profile_named(&name)?;
    actions::drive(&site, &name, verb).await?;
    Ok(Json(one(&site, &name).await?))
}

/// Deletes a profile: stops its gateway and removes all its files.
#[utoipa::path(delete, operation_id = "deleteProfile", path = "/api/profiles/{name}", params(("name" = String, Path)), request_body = Confirmed,
    tag = "profiles", responses((status = 204), (status = 404, body = Report),
    (status = 422, description = "`confirm` is another name", body = Report)))]
pub(crate) async fn delete(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    confirmed: Payload<Confirmed>,
) -> Result<StatusCode, Refusal> {
    actions::delete(&site, &name, &payload(confirmed)?.confirm).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the configuration of a profile, secrets hidden.
#[utoipa::path(get, operation_id = "showConfig", path = "/api/profiles/{name}/config", params(("name" = String, Path)), tag = "profiles", responses(
    (status = 200, body = Vec<Setting>), (status = 404, body = Report)))]
pub(crate) async fn config(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Setting>>, Refusal> {
    let name = profile_named(&name)?;
    Ok(Json(site.blocking(move |site| profile_files::settings(site, &name)).await?))
}
