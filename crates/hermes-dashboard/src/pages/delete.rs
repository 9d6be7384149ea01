//! `/profiles/{name}/delete`: asks for the name, then deletes.

use askama::Template;
use axum::Form;
use axum::extract::Path;
use axum::response::Response;
use hermes_operations::{Report, ReportKind};
use serde::Deserialize;

use super::{Refused, Visitor, act};
use crate::actions;
use crate::frame::{Frame, html};
use crate::refusal;
use crate::site::profile_named;

/// The name once more.
#[derive(Debug, Deserialize)]
pub(crate) struct Confirmed {
    confirm: String,
}

#[derive(Template)]
#[template(path = "delete.html")]
struct Ask {
    frame: Frame,
    name: String,
    directory: String,
    mistaken: bool,
}

/// Asks.
pub(crate) async fn ask(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Refused> {
    page(&visitor, &name, false).map_err(|failure| visitor.refused(failure))
}

/// Deletes, when the name was typed.
pub(crate) async fn delete(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(confirmed): Form<Confirmed>,
) -> Result<Response, Refused> {
    match actions::delete(&visitor.site, &name, &confirmed.confirm).await {
        Ok(name) => Ok(act::back(&visitor, "", "delete", name.as_str())),
        Err(failure) if failure.kind == ReportKind::Invalid && confirmed.confirm.trim() != name => {
            page(&visitor, &name, true).map_err(|failure| visitor.refused(failure))
        }
        Err(failure) => Err(visitor.refused(failure)),
    }
}

fn page(visitor: &Visitor, name: &str, mistaken: bool) -> Result<Response, Report> {
    let name = profile_named(name)?;
    if name.is_default() {
        return Err(Report::new(ReportKind::Invalid, "the default profile cannot be deleted"));
    }
    visitor.site.require_profile(&name)?;
    let directory = visitor.site.home.profile_directory(&name).display().to_string();
    let mut response = html(&Ask { frame: visitor.frame(""), name: name.to_string(), directory, mistaken });
    if mistaken {
        *response.status_mut() = refusal::status(ReportKind::Invalid);
    }
    Ok(response)
}
