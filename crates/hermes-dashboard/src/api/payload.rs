//! How the API takes bodies.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::JsonRejection;

use crate::agents::{Failure, FailureKind};

/// What a handler is given for a body of JSON.
pub(crate) type Payload<T> = Result<Json<T>, JsonRejection>;

/// The value of a body.
///
/// # Errors
/// It is no JSON, or not of that shape.
pub(crate) fn payload<T>(payload: Payload<T>) -> Result<T, Failure> {
    payload.map(|Json(value)| value).map_err(|rejection| {
        // The rejection says the same as its source, and the source the same as its own, with fewer words.
        let cause = rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string);
        let mut failure = Failure::new(FailureKind::BadRequest, "cannot understand the request")
            .hint("send JSON of the shape that /api/openapi.json describes");
        failure.causes.push(cause);
        failure
    })
}
