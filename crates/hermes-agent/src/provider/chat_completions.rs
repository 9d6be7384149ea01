//! OpenAI's Chat Completions, as many servers speak it: hosted ones, vLLM, llama.cpp, Ollama, LM Studio.

mod assembly;
mod calls;
mod replay;
mod request;
mod text_calls;
mod wire;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use assembly::Assembly;
use request::Options;
pub(super) use request::sendable_arguments;

use super::answer::{self, Progress};
use super::http::{Answer, Http};
use super::{ErrorClass, ModelAnswer, ModelProgress, ModelRequest, Provider, ProviderError};

const PATH: &str = "/chat/completions";

/// A server of Chat Completions.
#[derive(Debug)]
pub(super) struct ChatCompletions {
    http: Http,
    /// The server refused `stream_options`.
    refuses_usage: AtomicBool,
    /// The server wants `max_completion_tokens`.
    completion_tokens: AtomicBool,
}

impl ChatCompletions {
    pub(super) fn new(http: Http) -> Self {
        let completion_tokens = AtomicBool::new(http.settings().provider == "openai");
        Self { http, refuses_usage: AtomicBool::new(false), completion_tokens }
    }

    async fn send(&self, request: &ModelRequest) -> Result<Answer, ProviderError> {
        loop {
            let options = Options {
                usage: !self.refuses_usage.load(Ordering::Relaxed),
                completion_tokens: self.completion_tokens.load(Ordering::Relaxed),
            };
            let body =
                request::body(self.http.settings(), request, options).map_err(|error| ProviderError {
                    class: ErrorClass::Internal,
                    message: format!("failed to write the request: {error}"),
                    status: None,
                    retry_after: None,
                    hint: None,
                })?;
            match self.http.post(PATH, body).await {
                Err(error) if self.adapts(&error, options) => {}
                result => return result,
            }
        }
    }

    /// Remembers an optional field that the server refused. Returns `true` if a request without it differs.
    fn adapts(&self, error: &ProviderError, sent: Options) -> bool {
        if !matches!(error.status, Some(400 | 422 | 500 | 501)) {
            return false;
        }
        let names = |part: &str| error.message.contains(part);
        if sent.usage && (names("stream_options") || names("include_usage")) {
            self.refuses_usage.store(true, Ordering::Relaxed);
            return true;
        }
        if !sent.completion_tokens && names("max_completion_tokens") {
            self.completion_tokens.store(true, Ordering::Relaxed);
            return true;
        }
        if sent.completion_tokens && names("max_completion_tokens") {
            self.completion_tokens.store(false, Ordering::Relaxed);
            return self.http.settings().provider != "openai";
        }
        false
    }

    async fn exchange(
        &self,
        request: &ModelRequest,
        progress: &mut Progress<'_>,
    ) -> Result<ModelAnswer, ProviderError> {
        let answer = self.send(request).await?;
        let assembly = Assembly::new(self.http.settings().text_tool_calls);
        answer::read(&self.http, answer, assembly, progress).await
    }
}

impl Provider for ChatCompletions {
    fn name(&self) -> &str {
        &self.http.settings().provider
    }

    fn model(&self) -> &str {
        &self.http.settings().model
    }

    fn call<'a>(
        &'a self,
        request: &'a ModelRequest,
        progress: &'a mut (dyn FnMut(ModelProgress) + Send),
    ) -> Pin<Box<dyn Future<Output = Result<ModelAnswer, ProviderError>> + Send + 'a>> {
        Box::pin(self.exchange(request, progress))
    }
}
