//! `/profiles/{name}`: one agent in full.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use hermes_core::ProfileName;
use serde::Deserialize;

use super::act::{self, Done};
use super::{Frame, Refused, Visitor, html};
use crate::agents::Failure;
use crate::api::profiles;
use crate::board::{Profile, RowView};
use crate::profile_files::{self, LINES, LogLines, Setting, Soul, SoulChange, SoulChanged};
use crate::site::profile_named;

/// What is shown.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Shown {
    /// What the lines of the log hold.
    #[serde(default)]
    search: String,
    #[serde(flatten)]
    done: Done,
}

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    frame: Frame,
    view: RowView,
    version: u64,
    profile: Profile,
    directory: String,
    settings: Result<Vec<Setting>, Failure>,
    soul: Result<Soul, Failure>,
    /// What somebody wanted to save, and could not since the soul was changed meanwhile.
    conflict: Option<String>,
    log: Result<LogLines, Failure>,
    search: String,
    done: Option<String>,
}

/// Shows it.
pub(crate) async fn show(
    visitor: Visitor,
    Path(name): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, Refused> {
    let name = profile_named(&name).map_err(|failure| visitor.refused(failure))?;
    page(&visitor, &name, shown, None).await
}

/// Saves the soul; where somebody else changed it meanwhile, shows both.
pub(crate) async fn save_soul(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(change): Form<SoulChange>,
) -> Result<Response, Refused> {
    let name = profile_named(&name).map_err(|failure| visitor.refused(failure))?;
    let (changed, wanted) = (name.clone(), change.text.clone());
    let saved = visitor.site.blocking(move |site| profile_files::change_soul(site, &changed, &change)).await;
    match saved.map_err(|failure| visitor.refused(failure))? {
        SoulChanged::Saved(_) => Ok(act::back(&visitor, &format!("profiles/{name}"), "soul", name.as_str())),
        SoulChanged::Conflict(_) => page(&visitor, &name, Shown::default(), Some(wanted)).await,
    }
}

async fn page(
    visitor: &Visitor,
    name: &ProfileName,
    shown: Shown,
    conflict: Option<String>,
) -> Result<Response, Refused> {
    let site = &visitor.site;
    let (profile, version) =
        profiles::one_of(site, name).await.map_err(|failure| visitor.refused(failure))?;
    let (looked, search) = (name.clone(), shown.search.clone());
    // What cannot be read of it is said in its place: the rest of the page is all the more needed then.
    let files = site.blocking(move |site| {
        Ok((
            profile_files::settings(site, &looked),
            profile_files::soul(site, &looked),
            profile_files::log(site, &looked, LINES, &search),
        ))
    });
    let (settings, soul, log) = files.await.map_err(|failure| visitor.refused(failure))?;
    let is_conflict = conflict.is_some();
    let mut response = html(&ProfilePage {
        frame: visitor.frame(""),
        view: RowView::new(&profile, &site.base()),
        version,
        directory: site.home.profile_directory(name).display().to_string(),
        profile,
        settings,
        soul,
        conflict,
        log,
        search: shown.search,
        done: shown.done.told(),
    });
    if is_conflict {
        *response.status_mut() = StatusCode::CONFLICT;
    }
    Ok(response)
}
