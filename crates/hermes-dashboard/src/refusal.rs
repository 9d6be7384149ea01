//! The answer to a request that fails: JSON for a program, a page for a person.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use crate::agents::{Failure, FailureKind};
use crate::frame::{Frame, html};
use crate::site::{Identity, Site};

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'f> {
    frame: Frame,
    failure: &'f Failure,
}

impl FailureKind {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Self::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
            Self::CannotWrite => StatusCode::INSUFFICIENT_STORAGE,
        }
    }
}

/// The answer to a program.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), Json(&self)).into_response();
        if self.kind == FailureKind::TryAgain {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// Returns the answer to a request that is refused: JSON for a program, a page for a person.
pub(crate) fn refuse(
    site: &Site,
    request: &Request,
    failure: Failure,
    identity: Option<&Identity>,
) -> Response {
    if is_api(request) { failure.into_response() } else { page(site, identity, &failure) }
}

/// Tells whether a request is for the API.
pub(crate) fn is_api(request: &Request) -> bool {
    request.uri().path().starts_with("/api/")
}

/// Returns the page that shows a failure and its hint.
pub(crate) fn page(site: &Site, identity: Option<&Identity>, failure: &Failure) -> Response {
    let page = FailurePage { frame: Frame::new(site, identity), failure };
    (failure.kind.status(), html(&page)).into_response()
}

/// Answers a request for an unknown path.
pub(crate) async fn not_found(
    State(site): State<Arc<Site>>,
    identity: Option<Extension<Identity>>,
    request: Request,
) -> Response {
    let failure = Failure::new(FailureKind::NotFound, "no such page").hint("go back to the overview");
    refuse(&site, &request, failure, identity.as_deref())
}

/// Answers a request with a method that the path does not support. `methods` are those that it supports.
pub(crate) fn not_allowed(
    site: &Site,
    request: &Request,
    identity: Option<&Identity>,
    methods: &[&str],
) -> Response {
    let what = format!("this path does not support {}", request.method());
    let failure = Failure::new(FailureKind::BadRequest, what).hint(format!("use {}", methods.join(" or ")));
    let mut response = refuse(site, request, failure, identity);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
