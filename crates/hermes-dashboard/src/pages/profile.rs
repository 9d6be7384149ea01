//! `/profiles/{name}`: one agent in full.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use hermes_core::ProfileName;
use hermes_operations::Report;
use hermes_os::sandbox_level::Level;
use serde::Deserialize;

use super::act::{self, Done};
use super::conversation_part::part;
use super::{Refused, Visitor};
use crate::actions;
use crate::board::RowView;
use crate::conversation::Wanted;
use crate::frame::{Frame, html};
use crate::profile_files::{self, LINES, LogLines, Setting, Soul, SoulChange, SoulChanged};
use crate::site::profile_named;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Shown {
    /// A text that the lines of the log contain.
    #[serde(default)]
    search: String,
    #[serde(flatten)]
    done: Done,
    #[serde(flatten)]
    wanted: Wanted,
}

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    frame: Frame,
    /// The conversation as HTML.
    talk: String,
    view: RowView,
    version: u64,
    directory: String,
    /// The parts of the sandbox of tools that the kernel has.
    sandbox: Level,
    settings: Result<Vec<Setting>, Report>,
    soul: Result<Soul, Report>,
    /// The text that could not be saved, because the soul had changed.
    conflict: Option<String>,
    log: Result<LogLines, Report>,
    search: String,
    done: Option<String>,
    /// `true` after a change that a running gateway has not read.
    must_restart: bool,
}

/// Shows the page.
pub(crate) async fn show(
    visitor: Visitor,
    Path(name): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, Refused> {
    let name = profile_named(&name).map_err(|failure| visitor.refused(failure))?;
    page(&visitor, &name, shown, None, "").await
}

/// Shows the page with a text in the form for messages.
pub(super) async fn with_draft(
    visitor: &Visitor,
    name: &ProfileName,
    session: String,
    draft: &str,
) -> Result<Response, Refused> {
    let wanted = Wanted { session, ..Wanted::default() };
    page(visitor, name, Shown { wanted, ..Shown::default() }, None, draft).await
}

/// Saves the soul. Shows both texts if the soul has changed since it was read.
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
        SoulChanged::Conflict(_) => page(&visitor, &name, Shown::default(), Some(wanted), "").await,
    }
}

async fn page(
    visitor: &Visitor,
    name: &ProfileName,
    shown: Shown,
    conflict: Option<String>,
    draft: &str,
) -> Result<Response, Refused> {
    let site = &visitor.site;
    let (profile, version) =
        actions::profile_and_version(site, name).await.map_err(|failure| visitor.refused(failure))?;
    let (looked, search) = (name.clone(), shown.search.clone());
    // The page shows a file that cannot be read as an error in its section.
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
        talk: part(visitor, name, &shown.wanted, draft).await,
        view: RowView::new(&profile, &site.base()),
        version,
        directory: site.home.profile_directory(name).display().to_string(),
        sandbox: Level::probe(),
        settings,
        soul,
        conflict,
        log,
        search: shown.search,
        done: shown.done.describe(),
        must_restart: shown.done.is_change_of_files(),
    });
    if is_conflict {
        *response.status_mut() = StatusCode::CONFLICT;
    }
    Ok(response)
}
