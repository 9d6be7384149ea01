//! OpenAI's Chat Completions, as many servers speak it: hosted ones, vLLM, llama.cpp, Ollama, LM Studio.

mod assembly;
mod calls;
mod replay;
mod request;
mod wire;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assembly::Assembly;
use request::Options;
use wire::Chunk;

use super::answer::{Form, bad_answer, form_of, html_error, not_an_answer, too_long};
use super::http::{Answer, BODY_MAX, Http, transient};
use super::sse::{SseEvent, SseParser};
use super::{ErrorClass, ModelAnswer, ModelProgress, ModelRequest, Provider, ProviderError, classify};

/// The name of the protocol in [`crate::message::Opaque`].
pub(super) const PROTOCOL: &str = "chat_completions";

const PATH: &str = "/chat/completions";

/// The longest wait for figures after the answer is complete.
const AFTER_FINISH: Duration = Duration::from_secs(10);

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
        progress: &mut (dyn FnMut(ModelProgress) + Send),
    ) -> Result<ModelAnswer, ProviderError> {
        let mut answer = self.send(request).await?;
        progress(ModelProgress::Accepted);
        let host = self.http.host();
        let mut start = Vec::new();
        let form = loop {
            let Some(piece) = answer.piece().await? else {
                return Err(if start.is_empty() {
                    transient(format!("failed to read the answer of {host}: it is empty"), None)
                } else {
                    not_an_answer(&host, &start)
                });
            };
            start.extend(piece);
            if let Some(form) = form_of(&start) {
                break form;
            }
        };
        match form {
            Form::Html => Err(html_error(&host)),
            Form::Json => {
                let rest = answer.body(BODY_MAX).await?;
                start.extend(rest);
                self.read_json(&start, progress)
            }
            Form::Events => self.read_events(&mut answer, start, progress).await,
        }
    }

    fn read_json(
        &self,
        body: &[u8],
        progress: &mut (dyn FnMut(ModelProgress) + Send),
    ) -> Result<ModelAnswer, ProviderError> {
        let host = self.http.host();
        let mut assembly = Assembly::default();
        let chunk = self.chunk(body)?;
        assembly.push(chunk, progress);
        if assembly.has_choice() { Ok(assembly.finish()) } else { Err(not_an_answer(&host, body)) }
    }

    async fn read_events(
        &self,
        answer: &mut Answer,
        start: Vec<u8>,
        progress: &mut (dyn FnMut(ModelProgress) + Send),
    ) -> Result<ModelAnswer, ProviderError> {
        let host = self.http.host();
        let mut parser = SseParser::default();
        let mut assembly = Assembly::default();
        let mut piece = start.clone();
        loop {
            for event in parser.push(&piece).map_err(|error| too_long(&host, &error))? {
                if self.event(&event, &mut assembly, progress)? {
                    return Ok(assembly.finish());
                }
            }
            if assembly.has_finished() {
                answer.hurry(AFTER_FINISH);
            }
            piece = match answer.piece().await {
                Ok(Some(piece)) => piece,
                // Only figures can be missing.
                Err(_) if assembly.has_finished() => return Ok(assembly.finish()),
                Err(error) => return Err(error),
                Ok(None) => break,
            };
        }
        if let Some(event) = parser.finish().map_err(|error| too_long(&host, &error))?
            && (assembly.has_finished() || is_whole(&event))
            && self.event(&event, &mut assembly, progress)?
        {
            return Ok(assembly.finish());
        }
        if assembly.has_finished() {
            return Ok(assembly.finish());
        }
        if !assembly.has_choice() && !start.starts_with(b"data") {
            return Err(not_an_answer(&host, &start));
        }
        Err(transient(format!("failed to read the answer of {host}: it ended in the middle"), None))
    }

    /// Takes an event. Returns `true` if it is the last one.
    fn event(
        &self,
        event: &SseEvent,
        assembly: &mut Assembly,
        progress: &mut (dyn FnMut(ModelProgress) + Send),
    ) -> Result<bool, ProviderError> {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            return Ok(assembly.has_choice());
        }
        if data.is_empty() {
            return Ok(false);
        }
        if event.name == "error" {
            let value = serde_json::from_slice(data).unwrap_or_else(|_| String::from_utf8_lossy(data).into());
            return Err(self.reported(&value));
        }
        assembly.push(self.chunk(data)?, progress);
        Ok(false)
    }

    fn chunk(&self, json: &[u8]) -> Result<Chunk, ProviderError> {
        let host = self.http.host();
        let chunk: Chunk = serde_json::from_slice(json).map_err(|error| {
            bad_answer(format!("failed to read the answer of {host}: the JSON is broken: {error}"), None)
        })?;
        match &chunk.error {
            Some(error) if !error.is_null() => Err(self.reported(error)),
            _ => Ok(chunk),
        }
    }

    fn reported(&self, value: &serde_json::Value) -> ProviderError {
        let mut error = classify::of_event(value, &self.http.host());
        error.message = self.http.without_key(error.message);
        error
    }
}

/// Returns `true` if the data of an event is not cut off.
fn is_whole(event: &SseEvent) -> bool {
    let data = event.data.trim_ascii();
    data == b"[DONE]" || serde_json::from_slice::<&serde_json::value::RawValue>(data).is_ok()
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
