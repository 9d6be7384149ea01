//! How a failure is answered: with JSON to a program, with a page to a person.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::agents::{Failure, FailureKind};

/// Returns the HTTP status of a kind.
pub(crate) fn status(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::BadRequest => StatusCode::BAD_REQUEST,
        FailureKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        FailureKind::Forbidden => StatusCode::FORBIDDEN,
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::TooSlow => StatusCode::REQUEST_TIMEOUT,
        FailureKind::Conflict => StatusCode::CONFLICT,
        FailureKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FailureKind::WrongHost => StatusCode::MISDIRECTED_REQUEST,
        FailureKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        FailureKind::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        FailureKind::Failed
        | FailureKind::Configuration
        | FailureKind::CannotRun
        | FailureKind::NoSuchProgram => StatusCode::INTERNAL_SERVER_ERROR,
        FailureKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        FailureKind::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
        FailureKind::CannotWrite | FailureKind::NoPermission => StatusCode::INSUFFICIENT_STORAGE,
    }
}

/// The answer of the API to a request that failed.
pub(crate) struct Refusal(pub(crate) Failure);

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(failure) = self;
        let mut response = (status(failure.kind), Json(&failure)).into_response();
        if failure.kind == FailureKind::TryAgain {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
