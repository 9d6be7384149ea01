//! The frame around every page.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::assets;
use crate::site::{Identity, Site};

/// The frame around every page.
pub(crate) struct Frame {
    /// The path of the dashboard: that of the proxy, and a slash.
    pub(crate) base: String,
    /// The CSRF token of the forms.
    pub(crate) csrf: String,
    /// `true` if there is a session that can be ended.
    pub(crate) can_leave: bool,
    /// `true` if the visitor may see the pages.
    pub(crate) is_inside: bool,
    pub(crate) version: String,
    /// The page in the navigation; empty for another page.
    pub(crate) page: &'static str,
    /// The number of findings of the doctor, if it is known and not 0.
    pub(crate) problems: Option<usize>,
    /// The query of the assets. It changes with them, so no browser uses old ones.
    pub(crate) build: &'static str,
}

impl Frame {
    pub(crate) fn new(site: &Site, identity: Option<&Identity>) -> Self {
        Self {
            base: site.base(),
            csrf: identity.and_then(|identity| site.csrf(identity)).unwrap_or_default().to_owned(),
            can_leave: matches!(identity, Some(Identity::Session(_))),
            is_inside: identity.is_some(),
            version: site.version.clone(),
            page: "",
            problems: identity.and_then(|_| site.findings.count()).filter(|count| *count > 0),
            build: assets::build(),
        }
    }
}

/// Renders a page.
pub(crate) fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
