//! The answer to a request that fails: JSON for a program, a page for a person.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hermes_operations::{Report, ReportKind};

use crate::frame::{Frame, html};
use crate::site::{Identity, Site};
use crate::words::{advice, sentence};
use serde::Serialize;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'f> {
    frame: Frame,
    failure: &'f Report,
    sentence: String,
    advice: Option<String>,
    /// The agent whose log may say more.
    agent: Option<&'f str>,
}

/// A failure of the API.
#[derive(Serialize)]
struct Failure<'f> {
    #[serde(flatten)]
    report: &'f Report,
    /// The failure in one sentence, for a page.
    message: String,
    /// The hint in the words of a page.
    advice: Option<String>,
}

/// Returns the HTTP status of a kind.
pub(crate) fn status(kind: ReportKind) -> StatusCode {
    match kind {
        ReportKind::BadRequest => StatusCode::BAD_REQUEST,
        ReportKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ReportKind::Forbidden => StatusCode::FORBIDDEN,
        ReportKind::NotFound => StatusCode::NOT_FOUND,
        ReportKind::TooSlow => StatusCode::REQUEST_TIMEOUT,
        ReportKind::Conflict => StatusCode::CONFLICT,
        ReportKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ReportKind::WrongHost => StatusCode::MISDIRECTED_REQUEST,
        ReportKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ReportKind::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        ReportKind::Failed
        | ReportKind::Configuration
        | ReportKind::CannotRun
        | ReportKind::NoSuchProgram => StatusCode::INTERNAL_SERVER_ERROR,
        ReportKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ReportKind::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
        ReportKind::CannotWrite | ReportKind::NoPermission => StatusCode::INSUFFICIENT_STORAGE,
    }
}

/// The answer of the API to a request that failed.
pub(crate) struct Refusal(pub(crate) Report);

impl From<Report> for Refusal {
    fn from(report: Report) -> Self {
        Self(report)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(report) = self;
        let mut response = {
            let failure = Failure { report: &report, message: sentence(&report), advice: advice(&report) };
            (status(report.kind), Json(failure)).into_response()
        };
        if report.kind == ReportKind::TryAgain {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// Returns the answer to a request that is refused: JSON for a program, a page for a person.
pub(crate) fn refuse(
    site: &Site,
    request: &Request,
    failure: Report,
    identity: Option<&Identity>,
) -> Response {
    if is_api(request) { Refusal(failure).into_response() } else { page(site, identity, &failure, None) }
}

/// Tells whether a request is for the API.
pub(crate) fn is_api(request: &Request) -> bool {
    request.uri().path().starts_with("/api/")
}

/// Returns the page that shows a failure and its hint, and a link to the log of the agent that it concerns.
pub(crate) fn page(
    site: &Site,
    identity: Option<&Identity>,
    failure: &Report,
    agent: Option<&str>,
) -> Response {
    let page = FailurePage {
        frame: Frame::new(site, identity),
        sentence: sentence(failure),
        advice: advice(failure),
        failure,
        agent,
    };
    (status(failure.kind), html(&page)).into_response()
}

/// Answers a request for an unknown path.
pub(crate) async fn not_found(
    State(site): State<Arc<Site>>,
    identity: Option<Extension<Identity>>,
    request: Request,
) -> Response {
    let failure = Report::new(ReportKind::NotFound, "no such page").hint("go back to the overview");
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
    let failure = Report::new(ReportKind::BadRequest, what).hint(format!("use {}", methods.join(" or ")));
    let mut response = refuse(site, request, failure, identity);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
