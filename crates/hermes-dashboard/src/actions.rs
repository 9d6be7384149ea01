//! The actions on profiles that both the pages and the API run.

use std::sync::Arc;
use std::time::Duration;

use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind, Verb, Wait};
use hermes_os::printable::printable;

use crate::board::{Profile, Snapshot};
use crate::refresh;
use crate::site::{Site, no_such_profile, profile_named};

/// The time that a click waits for its gateway, as the commands do.
const TIMEOUT: Wait = Wait::AtMost(Duration::from_secs(30));

/// Returns a profile, with the version of the board. Later changes have higher versions.
///
/// # Errors
/// There is no such profile.
pub(crate) async fn profile_and_version(
    site: &Arc<Site>,
    profile: &ProfileName,
) -> Result<(Profile, u64), Report> {
    site.require_profile(profile)?;
    let find = |snapshot: &Snapshot| {
        let row = snapshot.rows.iter().find(|row| row.profile.gateway.profile == profile.as_str())?;
        Some((row.profile.clone(), snapshot.version))
    };
    if let Some(found) = find(&*refresh::recent(site).await?) {
        return Ok(found);
    }
    // The profile is newer than the snapshot.
    refresh::refresh(site).await;
    find(&site.board.latest()).ok_or_else(|| no_such_profile(profile))
}

/// Creates a profile, with a port and a stopped gateway.
///
/// # Errors
/// The name is invalid or taken, or the profile cannot be created.
pub(crate) async fn create(site: &Arc<Site>, name: &str) -> Result<ProfileName, Report> {
    let name = ProfileName::for_new_profile(name).map_err(|error| {
        let shown = printable(name.chars().take(80).collect::<String>().as_bytes());
        Report::new(ReportKind::Invalid, format!("{shown:?} is not a valid name for a profile"))
            .because(&error)
    })?;
    let created = name.clone();
    let done = site.blocking(move |site| site.operations.create(&created)).await;
    refresh::refresh(site).await;
    done.map(|()| name)
}

/// Starts, stops or restarts a gateway. Waits until it is ready, or stopped.
///
/// # Errors
/// There is no such profile, or the gateway does not reach the state.
pub(crate) async fn drive(site: &Arc<Site>, name: &ProfileName, verb: Verb) -> Result<(), Report> {
    site.require_profile(name)?;
    let driven = name.clone();
    // Open pages show the states in between.
    site.board.wake();
    let done = site.blocking(move |site| site.operations.drive(&driven, verb, TIMEOUT)).await;
    refresh::refresh(site).await;
    done
}

/// Deletes a profile if `confirm` is its name.
///
/// # Errors
/// The profile does not exist, is the default one, is not confirmed, or cannot be deleted.
pub(crate) async fn delete(site: &Arc<Site>, name: &str, confirm: &str) -> Result<ProfileName, Report> {
    let name = profile_named(name)?;
    if name.is_default() {
        return Err(Report::new(ReportKind::Invalid, "the default profile cannot be deleted"));
    }
    site.require_profile(&name)?;
    if confirm.trim() != name.as_str() {
        return Err(Report::new(ReportKind::Invalid, "the name does not match; nothing was deleted")
            .hint(format!("type {name} to delete it")));
    }
    let deleted = name.clone();
    let done = site.blocking(move |site| site.operations.delete(&deleted, || Ok(())).map(drop)).await;
    refresh::refresh(site).await;
    done.map(|()| name)
}
