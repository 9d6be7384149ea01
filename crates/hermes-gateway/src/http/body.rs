//! The bodies of requests.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::de::DeserializeOwned;
use tokio::time;

use super::problem::Problem;

/// The time that a client has for the body of a request.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The body of a request.
pub(crate) struct Received(Result<Bytes, Problem>);

impl<S: Send + Sync> FromRequest<S> for Received {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let received = time::timeout(TIMEOUT, Bytes::from_request(request, state)).await;
        Ok(Self(match received {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(rejection)) => {
                let message = rejection.body_text();
                let status = rejection.into_response().status();
                Err(if status == StatusCode::PAYLOAD_TOO_LARGE {
                    Problem::new(status, "request_too_large", "the body of the request is too long")
                } else {
                    Problem::invalid(format!("failed to read the body of the request: {message}"))
                })
            }
            Err(_) => {
                let message =
                    format!("the body of the request did not arrive within {} s", TIMEOUT.as_secs());
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message))
            }
        }))
    }
}

/// Returns the bytes of a body.
///
/// # Errors
/// The body is too long or too slow, or the client ended it early.
pub(crate) fn bytes(received: Received) -> Result<Bytes, Problem> {
    received.0
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_times_out() {
        let began = time::Instant::now();
        let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let Ok(received) = Received::from_request(Request::new(body), &()).await;
        let response = bytes(received).unwrap_err().into_response();
        assert_eq!((response.status(), began.elapsed()), (StatusCode::REQUEST_TIMEOUT, TIMEOUT));
    }
}
