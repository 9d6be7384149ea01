//! The words of real servers for an error.

use serde::Deserialize;
use serde_json::{Value, json};

/// A server whose words for "context too long" are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Server {
    #[serde(rename = "openai")]
    OpenAi,
    #[serde(rename = "anthropic")]
    Anthropic,
    #[serde(rename = "vllm")]
    Vllm,
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
}

/// Returns the body of a 400 for a prompt that is longer than the context.
pub(crate) fn context_too_long(server: Server) -> Value {
    match server {
        Server::OpenAi => json!({"error": {
            "message": "This model's maximum context length is 128000 tokens. However, your messages resulted in \
                        130042 tokens. Please reduce the length of the messages.",
            "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded",
        }}),
        Server::Anthropic => json!({"type": "error", "error": {
            "type": "invalid_request_error", "message": "prompt is too long: 208310 tokens > 200000 maximum",
        }}),
        Server::Vllm => json!({"error": {
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5042 tokens (4042 \
                        in the messages, 1000 in the completion). Please reduce the length of the messages or \
                        completion.",
            "type": "BadRequestError", "param": null, "code": 400,
        }}),
        Server::LlamaCpp => json!({"error": {
            "code": 400, "message": "the request exceeds the available context size, try increasing it",
            "type": "exceed_context_size_error", "n_prompt_tokens": 5042, "n_ctx": 4096,
        }}),
    }
}

/// Returns the usual message of a status.
pub(crate) fn message(status: u16) -> &'static str {
    match status {
        401 => "Incorrect API key provided.",
        402 => "Insufficient credits. Add more to continue.",
        403 => "The key has no right to use this model.",
        404 => "The model does not exist.",
        408 => "The request timed out.",
        429 => "Rate limit reached for requests.",
        529 => "Overloaded",
        500.. => "The server had an error while processing the request.",
        _ => "The request is invalid.",
    }
}
