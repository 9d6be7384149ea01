//! Model servers behind one trait: Chat Completions and Anthropic Messages.

mod answer;
mod anthropic;
mod chat_completions;
mod classify;
mod connect;
mod http;
mod json_text;
mod record;
mod sse;
pub(crate) mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::{Block, Message, Usage};
use crate::tools::ToolSchema;

pub use connect::{connect, list_models};
pub(crate) use sse::SseParser;

/// A model at a server.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Returns the provider's name, as `openai` or `custom`.
    fn name(&self) -> &str;

    /// Returns the model's name.
    fn model(&self) -> &str;

    /// Sends one request and reads the streamed answer. Reports progress to `progress` as it comes. Dropping the future closes the
    /// connection, so that the server stops.
    ///
    /// It never retries, except where the server refuses an optional field of the request.
    fn call<'a>(
        &'a self,
        request: &'a ModelRequest,
        progress: &'a mut (dyn FnMut(ModelProgress) + Send),
    ) -> Pin<Box<dyn Future<Output = Result<ModelAnswer, ProviderError>> + Send + 'a>>;
}

/// A request to a model.
#[derive(Clone, Debug, Default)]
pub struct ModelRequest {
    /// The system prompt, in parts from the stable to the volatile one. A provider marks their ends for its cache.
    pub system: Vec<String>,
    /// The conversation. Each call has its result.
    pub messages: Vec<Message>,
    /// The tools, sorted by name.
    pub tools: Vec<ToolSchema>,
    /// `true` after the server rejected a signature: no reasoning goes back.
    pub without_reasoning: bool,
    /// The longest answer in tokens, if this call has a limit of its own.
    pub max_tokens: Option<u64>,
    /// Fields of the caller that replace the settings.
    pub temperature: Option<f64>,
}

/// Progress of a model call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelProgress {
    /// The server answered with a status and headers.
    Accepted,
    /// A piece of the text.
    Text(String),
    /// A piece of the reasoning.
    Reasoning(String),
}

/// The complete answer of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelAnswer {
    /// The blocks of the assistant's message, in order.
    pub blocks: Vec<Block>,
    /// The reported tokens. `None` if the server reports none.
    pub usage: Option<Usage>,
    /// The reason why it ended.
    pub finish: Finish,
}

/// The reason why an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// It is complete. There may be tool calls: servers disagree on the word for them, so the calls decide.
    #[default]
    Complete,
    /// The limit of tokens.
    MaxTokens,
    /// A filter or a refusal.
    Refusal,
}

/// A failed model call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// The class, which decides what follows.
    pub class: ErrorClass,
    /// A full clause, without secrets: "failed to …: …".
    pub message: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The wait that the server asked for.
    pub retry_after: Option<Duration>,
    /// The next step of the user.
    pub hint: Option<String>,
}

/// The class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// 401, 403: the key is missing, wrong or lacks a right. No retry.
    Authentication,
    /// 402, or a used-up quota that waiting does not refill. No retry.
    Payment,
    /// The prompt is longer than the model's context. Compact once, and retry.
    ContextTooLong,
    /// The server rejects reasoning or a signature that went back. Strip it, and retry once.
    ReasoningRejected,
    /// 404 for a model, or another request that no retry can help (400, 422).
    Invalid,
    /// 429: wait as the server says.
    RateLimited,
    /// 503, 529, `overloaded_error`: to the fallback at once, if there is one.
    Overloaded,
    /// 408, 409, 425, other 5xx, a connection that breaks, a name that does not resolve for a moment, a limit of time.
    Transient,
    /// The answer is no answer of a model server: HTML with 200, broken JSON, a line over the limit.
    BadAnswer,
    /// The local settings are incomplete or wrong. No call was made.
    Configuration,
    /// A fault of this program, as a store that cannot be written.
    Internal,
}
