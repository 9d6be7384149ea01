//! `/doctor`: the findings of `hermes doctor`.

use askama::Template;
use axum::response::Response;
use hermes_operations::doctor::Finding;

use super::{Refused, Visitor};
use crate::api::doctor;
use crate::frame::{Frame, html};

#[derive(Template)]
#[template(path = "doctor.html")]
struct Doctor {
    frame: Frame,
    findings: Vec<Finding>,
}

/// Shows the page.
pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refused> {
    let findings = doctor::findings(&visitor.site).await.map_err(|failure| visitor.refused(failure))?;
    Ok(html(&Doctor { frame: visitor.frame("doctor"), findings }))
}
