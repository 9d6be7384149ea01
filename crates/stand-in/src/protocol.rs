//! The two protocols behind one type.

use serde_json::{Value, json};

use crate::answer::{Answer, Event};
use crate::prompt::Prompt;
use crate::{chat_completions, messages};

/// A protocol of model servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    ChatCompletions,
    Messages,
}

impl Protocol {
    /// Reads a request. An error is a message for the client.
    pub(crate) fn prompt(self, body: &Value) -> Result<Prompt, String> {
        match self {
            Self::ChatCompletions => chat_completions::prompt(body),
            Self::Messages => messages::prompt(body),
        }
    }

    pub(crate) fn whole(self, answer: &Answer, prompt: &Prompt, number: u64) -> Value {
        match self {
            Self::ChatCompletions => chat_completions::whole(answer, prompt, number),
            Self::Messages => messages::whole(answer, prompt, number),
        }
    }

    /// Returns the events of a stream. The last one only says that it is the last.
    pub(crate) fn events(self, answer: &Answer, prompt: &Prompt, number: u64) -> Vec<Event> {
        match self {
            Self::ChatCompletions => chat_completions::events(answer, prompt, number),
            Self::Messages => messages::events(answer, prompt, number),
        }
    }

    /// Returns the body of an error.
    pub(crate) fn error(self, status: u16, message: &str) -> Value {
        match self {
            Self::ChatCompletions => {
                let (kind, code) = chat_completions_kind(status);
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Self::Messages => {
                json!({"type": "error", "error": {"type": messages_kind(status), "message": message}})
            }
        }
    }

    /// Returns an error inside a stream, as a server sends it after a status 200.
    pub(crate) fn error_event(self, message: &str) -> Event {
        let (name, status) = match self {
            Self::ChatCompletions => (None, 500),
            Self::Messages => (Some("error"), 529),
        };
        Event { name, data: self.error(status, message).to_string(), is_output: true }
    }
}

fn chat_completions_kind(status: u16) -> (&'static str, Option<&'static str>) {
    match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        402 => ("insufficient_quota", Some("insufficient_quota")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    }
}

fn messages_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
