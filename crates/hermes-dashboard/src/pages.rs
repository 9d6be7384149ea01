//! The pages: HTML from templates, whole without any script.

pub(crate) mod act;
pub(crate) mod assets;
pub(crate) mod boots;
pub(crate) mod delete;
pub(crate) mod doctor;
pub(crate) mod login;
pub(crate) mod overview;
pub(crate) mod profile;

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::agents::{Failure, FailureKind};
use crate::auth::guard;
use crate::refusal;
use crate::routes;
use crate::site::{Identity, Site};

/// What surrounds every page.
pub(crate) struct Frame {
    /// Where the dashboard begins: the path of the proxy, and a slash.
    pub(crate) base: String,
    /// What the forms carry.
    pub(crate) csrf: String,
    /// Whether there is a session that can be ended.
    pub(crate) can_leave: bool,
    /// Whether the pages can be seen at all.
    pub(crate) is_inside: bool,
    pub(crate) version: String,
    /// Which of the pages in the navigation it is; empty for none.
    pub(crate) page: &'static str,
    /// Changes with the style and the script, so that no browser shows old ones.
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
            build: assets::build(),
        }
    }
}

/// A page that could not be shown, or something that was not done, said in a page.
pub(crate) struct Refused {
    site: Arc<Site>,
    identity: Option<Identity>,
    failure: Failure,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        failure(&self.site, self.identity.as_ref(), &self.failure)
    }
}

/// Who asks for a page: what a handler needs to answer, be it with a failure.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) site: Arc<Site>,
    pub(crate) identity: Identity,
}

impl Visitor {
    /// What surrounds `page`, one of those in the navigation, or none.
    pub(crate) fn frame(&self, page: &'static str) -> Frame {
        Frame { page, ..Frame::new(&self.site, Some(&self.identity)) }
    }

    pub(crate) fn refused(&self, failure: Failure) -> Refused {
        Refused { site: Arc::clone(&self.site), identity: Some(self.identity.clone()), failure }
    }
}

impl axum::extract::FromRequestParts<Arc<Site>> for Visitor {
    type Rejection = StatusCode;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        site: &Arc<Site>,
    ) -> Result<Self, Self::Rejection> {
        // Put there by `guard::require_login`; without it nobody sees a page.
        let identity = parts.extensions.get::<Identity>().cloned().ok_or(StatusCode::UNAUTHORIZED)?;
        Ok(Self { site: Arc::clone(site), identity })
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'f> {
    frame: Frame,
    failure: &'f Failure,
}

/// The page that says what failed and how it is corrected.
pub(crate) fn failure(site: &Site, identity: Option<&Identity>, failure: &Failure) -> Response {
    let page = FailurePage { frame: Frame::new(site, identity), failure };
    (refusal::status(failure.kind), html(&page)).into_response()
}

/// A page, rendered.
pub(crate) fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A moment as a person reads it, from RFC 3339 in UTC.
pub(crate) fn moment(rfc3339: &str) -> String {
    match rfc3339.split_at_checked("2026-01-31T12:34:56".len()) {
        Some((seconds, _)) => format!("{} UTC", seconds.replace('T', " ")),
        None => rfc3339.to_owned(),
    }
}

/// There is no such page.
pub(crate) async fn not_found(
    State(site): State<Arc<Site>>,
    identity: Option<Extension<Identity>>,
    request: Request,
) -> Response {
    let failure =
        Failure::new(FailureKind::NotFound, "there is nothing here").hint("go back to the overview");
    guard::refuse(&site, &request, failure, identity.as_deref())
}

/// There is a page, and nothing that this method does to it.
pub(crate) async fn not_allowed(
    State(site): State<Arc<Site>>,
    identity: Option<Extension<Identity>>,
    request: Request,
) -> Response {
    let what = format!("nothing here answers to {}", request.method());
    let mut failure = Failure::new(FailureKind::BadRequest, what);
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if let Some(route) = routes::table().into_iter().find(|route| Some(route.path) == path) {
        failure = failure.hint(format!("{} is answered", route.methods.join(" or ")));
    }
    let mut response = guard::refuse(&site, &request, failure, identity.as_deref());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
