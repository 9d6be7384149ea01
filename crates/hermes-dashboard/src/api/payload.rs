//! How the API takes bodies.

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
        Failure::new(FailureKind::BadRequest, "cannot understand the request").because(&rejection)
    })
}
