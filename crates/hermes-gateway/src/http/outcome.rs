//! The end of a turn as an answer of the API.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hermes_agent::message::Usage;
use hermes_agent::protocol::{StopReason, TurnEnd};
use hermes_agent::provider::ErrorClass;
use serde_json::{Value, json};

use super::problem::Problem;

/// The session of an answer. A client that sends it back continues the session.
pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("x-hermes-session-id");

/// `true` if the model finished its answer.
const COMPLETED: HeaderName = HeaderName::from_static("x-hermes-completed");

/// `true` if a limit or an interrupt ended the answer.
const PARTIAL: HeaderName = HeaderName::from_static("x-hermes-partial");

/// The wait before a retry of a turn that a busy model server failed.
const RETRY_AFTER: Duration = Duration::from_secs(10);

impl Problem {
    /// Returns the error of a turn that has no answer. Returns `None` if it has one, a partial one included.
    pub(crate) fn of_turn(end: &TurnEnd) -> Option<Self> {
        let cause = end.error.as_ref();
        let message = || match cause {
            Some(error) => match &error.hint {
                Some(hint) => format!("{}; {hint}", error.message),
                None => error.message.clone(),
            },
            None => "the turn failed".to_owned(),
        };
        match end.reason {
            StopReason::Budget => {
                Some(Self::new(StatusCode::PAYMENT_REQUIRED, "insufficient_quota", message()))
            }
            StopReason::Failed | StopReason::Died => {
                Some(of_class(cause.map_or(ErrorClass::Internal, |error| error.class), message()))
            }
            StopReason::EndTurn
            | StopReason::MaxTokens
            | StopReason::MaxTurnRequests
            | StopReason::Refusal
            | StopReason::Cancelled
            | StopReason::Loop => None,
        }
    }
}

fn of_class(class: ErrorClass, message: String) -> Problem {
    let (status, code) = match class {
        // The key of the model server is the gateway's, not the client's: 401 would make clients doubt their own.
        ErrorClass::Authentication => (StatusCode::BAD_GATEWAY, "provider_authentication"),
        ErrorClass::Payment => (StatusCode::PAYMENT_REQUIRED, "insufficient_quota"),
        ErrorClass::ContextTooLong => (StatusCode::BAD_REQUEST, "context_length_exceeded"),
        ErrorClass::RateLimited => {
            return Problem::new(StatusCode::TOO_MANY_REQUESTS, "provider_rate_limit", message)
                .with_retry_after(RETRY_AFTER);
        }
        ErrorClass::Overloaded | ErrorClass::Transient => {
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable", message)
                .with_retry_after(RETRY_AFTER);
        }
        ErrorClass::Invalid | ErrorClass::ReasoningRejected | ErrorClass::BadAnswer => {
            (StatusCode::BAD_GATEWAY, "provider_error")
        }
        ErrorClass::Configuration => (StatusCode::SERVICE_UNAVAILABLE, "agent_unavailable"),
        ErrorClass::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
    };
    Problem::new(status, code, message)
}

/// Tells whether something other than the model ended the answer.
pub(crate) fn is_partial(end: &TurnEnd) -> bool {
    !matches!(end.reason, StopReason::EndTurn | StopReason::Refusal)
}

/// Returns the `finish_reason` of Chat Completions.
pub(crate) fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::MaxTurnRequests | StopReason::Loop => "length",
        StopReason::Refusal => "content_filter",
        _ => "stop",
    }
}

/// Adds the headers of a whole answer.
pub(crate) fn add_headers(headers: &mut HeaderMap, end: &TurnEnd) {
    let word = |is: bool| HeaderValue::from_static(if is { "true" } else { "false" });
    headers.insert(COMPLETED, word(!is_partial(end)));
    headers.insert(PARTIAL, word(is_partial(end)));
}

/// Adds the header that names the session.
pub(crate) fn add_session(headers: &mut HeaderMap, session: &str) {
    if let Ok(value) = HeaderValue::from_str(session) {
        headers.insert(SESSION_ID, value);
    }
}

/// Returns the tokens as Chat Completions counts them.
pub(crate) fn chat_usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": { "cached_tokens": usage.cached },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    })
}

/// Returns the tokens as Responses counts them.
pub(crate) fn response_usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": { "cached_tokens": usage.cached },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.total(),
    })
}
