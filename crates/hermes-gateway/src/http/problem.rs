//! Errors of the API in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer;

/// An error of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// The wait until a retry may succeed.
    retry_after: Option<Duration>,
}

impl Problem {
    /// Returns an error with this status, code and message.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// The request is malformed.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// Asks the client to wait before a retry.
    pub(crate) fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Returns the error as JSON.
    pub(crate) fn document(&self) -> Value {
        json!({
            "error": { "message": self.message, "type": self.kind(), "param": null, "code": self.code },
        })
    }

    /// The request has no key, or a wrong one.
    pub(crate) fn invalid_key(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
    }

    /// There are too many requests.
    pub(crate) fn rate_limit(message: impl Into<String>, wait: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message).with_retry_after(wait)
    }

    /// The gateway drains.
    pub(crate) fn draining() -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the gateway is stopping");
        problem.with_retry_after(Duration::from_secs(5))
    }

    /// A tool sends the request. The answer closes the connection.
    pub(crate) fn tool() -> Self {
        let message = "tools of agents must not use the API of a gateway";
        Self::new(StatusCode::FORBIDDEN, "tools_not_allowed", message)
    }

    /// The path is for other agents.
    pub(crate) fn agents_only() -> Self {
        let message =
            "agents of agents.allow ask here, with their own keys; send your message to /v1/responses";
        Self::new(StatusCode::FORBIDDEN, "agents_only", message)
    }

    /// The body exceeds `max` bytes.
    pub(crate) fn too_large(max: usize) -> Self {
        let message = format!("the body of the request is longer than {max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    }

    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            StatusCode::PAYMENT_REQUIRED => "insufficient_quota",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = answer::json(self.status, &self.document());
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            // Whole seconds (RFC 9110, section 10.2.3), and never too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::FORBIDDEN {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
