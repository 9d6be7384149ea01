//! The bodies of API requests.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::JsonRejection;

use hermes_operations::{Report, ReportKind};

/// The extractor of a JSON body.
pub(crate) type Payload<T> = Result<Json<T>, JsonRejection>;

/// Returns the value of a body.
///
/// # Errors
/// It is not JSON, or has another shape.
pub(crate) fn payload<T>(payload: Payload<T>) -> Result<T, Report> {
    payload.map(|Json(value)| value).map_err(|rejection| {
        // The rejection repeats the text of its source, and the source that of its own.
        let cause = rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string);
        let mut failure = Report::new(ReportKind::BadRequest, "failed to parse the request")
            .hint("send JSON of the shape that /api/openapi.json describes");
        failure.causes.push(cause);
        failure
    })
}
