//! `/api/profiles`: what the overview shows and does.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hermes_core::ProfileName;
use hermes_operations::Wait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::agents::{Failure, FailureKind, Verb, no_such_profile};
use crate::api::payload::{Payload, payload};
use crate::board::{self, Profile, Snapshot};
use crate::profile_files::{self, Setting};
use crate::refusal::Refusal;
use crate::site::{Site, profile_named};

/// All profiles.
#[derive(Serialize, ToSchema)]
pub(crate) struct Profiles {
    /// The default one first, the others by name.
    profiles: Vec<Profile>,
    /// Goes up with each change: where `/api/events?since=` begins.
    version: u64,
}

/// A profile to be.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewProfile {
    /// A lower-case letter or digit, then any of those, `_` and `-`.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]*$", max_length = 243)]
    name: String,
}

/// That somebody means it.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Confirmed {
    /// The profile's name once more.
    confirm: String,
}

/// Lists the profiles, each with its gateway.
#[utoipa::path(get, operation_id = "listProfiles", path = "/api/profiles", tag = "profiles", responses((status = 200, body = Profiles)))]
pub(crate) async fn list(State(site): State<Arc<Site>>) -> Result<Json<Profiles>, Refusal> {
    let seen = board::fresh(&site).await?;
    Ok(Json(Profiles {
        profiles: seen.rows.iter().map(|row| row.profile.clone()).collect(),
        version: seen.version,
    }))
}

/// Shows one profile.
#[utoipa::path(get, operation_id = "showProfile", path = "/api/profiles/{name}", params(("name" = String, Path)), tag = "profiles", responses(
    (status = 200, body = Profile), (status = 404, body = Failure)))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
) -> Result<Json<Profile>, Refusal> {
    Ok(Json(one(&site, &profile_named(&name)?).await?))
}

/// One profile, as the last look found it.
///
/// # Errors
/// There is no such profile.
async fn one(site: &Arc<Site>, profile: &ProfileName) -> Result<Profile, Failure> {
    one_of(site, profile).await.map(|(profile, _)| profile)
}

/// The same, with the version of what was seen: what changes after it is another.
///
/// # Errors
/// There is no such profile.
pub(crate) async fn one_of(site: &Arc<Site>, profile: &ProfileName) -> Result<(Profile, u64), Failure> {
    site.must_have(profile)?;
    let found = |seen: &Snapshot| {
        let row = seen.rows.iter().find(|row| row.profile.gateway.profile == profile.as_str())?;
        Some((row.profile.clone(), seen.version))
    };
    if let Some(found) = found(&*board::fresh(site).await?) {
        return Ok(found);
    }
    // It came after that look.
    board::renew(site).await;
    found(&site.board.latest()).ok_or_else(|| no_such_profile(profile))
}

/// Makes a profile, with a port and a gateway that is down.
#[utoipa::path(post, operation_id = "createProfile", path = "/api/profiles", request_body = NewProfile, tag = "profiles", responses(
    (status = 201, body = Profile), (status = 409, description = "it exists", body = Failure),
    (status = 422, description = "that is no name", body = Failure)))]
pub(crate) async fn create(
    State(site): State<Arc<Site>>,
    new: Payload<NewProfile>,
) -> Result<(StatusCode, Json<Profile>), Refusal> {
    let name = make(&site, &payload(new)?.name).await?;
    Ok((StatusCode::CREATED, Json(one(&site, &name).await?)))
}

pub(crate) async fn make(site: &Arc<Site>, name: &str) -> Result<ProfileName, Failure> {
    let name = ProfileName::for_new_profile(name).map_err(|error| {
        Failure::new(FailureKind::Invalid, format!("{:?} is no name for a profile", printable_name(name)))
            .because(&error)
    })?;
    let made = name.clone();
    let done = site.blocking(move |site| site.operations.create(&made)).await;
    board::renew(site).await;
    done.map(|()| name)
}

fn printable_name(name: &str) -> String {
    hermes_os::printable::printable(name.chars().take(80).collect::<String>().as_bytes())
}

/// Starts, stops or restarts a gateway; answers when it is ready, or down.
#[utoipa::path(post, operation_id = "driveGateway", path = "/api/profiles/{name}/{verb}",
    params(("name" = String, Path), ("verb" = Verb, Path)), tag = "profiles", responses(
    (status = 200, body = Profile), (status = 404, body = Failure), (status = 500, description = "it does not start", body = Failure),
    (status = 501, description = "nothing supervises here", body = Failure), (status = 503, description = "not in time", body = Failure)))]
pub(crate) async fn drive(
    State(site): State<Arc<Site>>,
    Path((name, verb)): Path<(String, String)>,
) -> Result<Json<Profile>, Refusal> {
    let verb = Verb::of(&verb).ok_or_else(|| {
        Failure::new(FailureKind::NotFound, "there is no such thing to do").hint("start, stop or restart")
    })?;
    let name = profile_named(&name)?;
    do_to(&site, &name, verb).await?;
    Ok(Json(one(&site, &name).await?))
}

/// The time that a click waits for its gateway, as the commands do.
const PATIENCE: Wait = Wait::AtMost(Duration::from_secs(30));

pub(crate) async fn do_to(site: &Arc<Site>, name: &ProfileName, verb: Verb) -> Result<(), Failure> {
    site.must_have(name)?;
    let driven = name.clone();
    // Whoever watches sees it begin.
    site.board.look_again();
    let done = site.blocking(move |site| site.operations.drive(&driven, verb, PATIENCE)).await;
    board::renew(site).await;
    done
}

/// Deletes a profile: stops its gateway and removes everything that it has.
#[utoipa::path(delete, operation_id = "deleteProfile", path = "/api/profiles/{name}", params(("name" = String, Path)), request_body = Confirmed,
    tag = "profiles", responses((status = 204), (status = 404, body = Failure),
    (status = 422, description = "the name in `confirm` is another", body = Failure)))]
pub(crate) async fn delete(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    confirmed: Payload<Confirmed>,
) -> Result<StatusCode, Refusal> {
    remove(&site, &name, &payload(confirmed)?.confirm).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn remove(site: &Arc<Site>, name: &str, confirm: &str) -> Result<ProfileName, Failure> {
    let name = profile_named(name)?;
    if name.is_default() {
        return Err(Failure::new(FailureKind::Invalid, "the default profile cannot be deleted"));
    }
    site.must_have(&name)?;
    if confirm.trim() != name.as_str() {
        return Err(Failure::new(FailureKind::Invalid, "that is not its name; nothing was deleted")
            .hint(format!("type {name} to delete it")));
    }
    let removed = name.clone();
    let done = site.blocking(move |site| site.operations.delete(&removed, || Ok(())).map(drop)).await;
    board::renew(site).await;
    done.map(|()| name)
}

/// Shows the configuration of a profile, secrets hidden.
#[utoipa::path(get, operation_id = "showConfig", path = "/api/profiles/{name}/config", params(("name" = String, Path)), tag = "profiles", responses(
    (status = 200, body = Vec<Setting>), (status = 404, body = Failure)))]
pub(crate) async fn config(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Setting>>, Refusal> {
    let name = profile_named(&name)?;
    Ok(Json(site.blocking(move |site| profile_files::settings(site, &name)).await?))
}
