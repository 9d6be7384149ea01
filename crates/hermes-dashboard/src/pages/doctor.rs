//! `/doctor`: what is wrong, with the hint beside it.

use askama::Template;
use axum::response::Response;

use super::{Frame, Refused, Visitor, html};
use crate::agents::Finding;
use crate::api::doctor;

#[derive(Template)]
#[template(path = "doctor.html")]
struct Doctor {
    frame: Frame,
    findings: Vec<Finding>,
}

/// Shows it.
pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refused> {
    let findings = doctor::findings(&visitor.site).await.map_err(|failure| visitor.refused(failure))?;
    Ok(html(&Doctor { frame: visitor.frame("doctor"), findings }))
}
