//! The bodies of requests.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The result of the extractor of a body.
pub(crate) type Received = Result<Bytes, BytesRejection>;

/// Returns the bytes of a body.
///
/// # Errors
/// The body is too long, or the client ended it early.
pub(crate) fn bytes(received: Received) -> Result<Bytes, Problem> {
    received.map_err(|rejection| {
        let message = rejection.body_text();
        let status = rejection.into_response().status();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let message = "the body of the request is too long";
            return Problem::new(status, "request_too_large", message);
        }
        Problem::invalid(format!("failed to read the body of the request: {message}"))
    })
}

/// Parses a body as JSON. An empty body is an empty object.
///
/// # Errors
/// The body is no JSON, or a field has the wrong type.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let text: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(text)
        .map_err(|error| Problem::invalid(format!("failed to read the body of the request: {error}")))
}
