//! Reads a successful answer. Servers and proxies do not always send the stream that was asked for.

use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::classify::{self, plain};
use super::http::{Answer, BODY_MAX, Http, transient};
use super::sse::{SseEvent, SseParser, TooLong};
use super::{ErrorClass, ModelAnswer, ModelProgress, ProviderError};

/// The longest wait for figures after the answer is complete.
const AFTER_FINISH: Duration = Duration::from_secs(10);

/// A function that takes progress.
pub(super) type Progress<'a> = dyn FnMut(ModelProgress) + Send + 'a;

/// The answer of one protocol, as it grows.
pub(super) trait Assemble {
    /// Takes the data of an event. Returns `true` if it is the last one.
    fn event(&mut self, data: &[u8], progress: &mut Progress<'_>) -> Result<bool, Fault>;

    /// Takes a whole answer without a stream.
    fn whole(&mut self, body: &[u8], progress: &mut Progress<'_>) -> Result<(), Fault>;

    /// Returns `true` if a part of an answer came.
    fn has_begun(&self) -> bool;

    /// Returns `true` if the server told a reason for the end.
    fn has_finished(&self) -> bool;

    /// Returns the answer.
    fn finish(self, progress: &mut Progress<'_>) -> ModelAnswer;
}

/// The reason why a part of an answer cannot be used.
#[derive(Debug)]
pub(super) enum Fault {
    /// The JSON is broken.
    Json(serde_json::Error),
    /// The server reports an error inside of its answer.
    Reported(Value),
}

/// Reads a successful answer to its end.
pub(super) async fn read<A: Assemble>(
    http: &Http,
    mut answer: Answer,
    mut assembly: A,
    progress: &mut Progress<'_>,
) -> Result<ModelAnswer, ProviderError> {
    progress(ModelProgress::Accepted);
    let host = http.host();
    let mut start = Vec::new();
    let form = loop {
        let Some(piece) = answer.piece().await? else {
            return Err(if start.is_empty() {
                transient(format!("failed to read the answer of {host}: it is empty"), None)
            } else {
                not_an_answer(http, &start)
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
            start.extend(answer.body(BODY_MAX).await?);
            let body = start.strip_prefix(BOM).unwrap_or(&start);
            assembly.whole(body, progress).map_err(|fault| fault.into_error(http))?;
            if assembly.has_begun() {
                Ok(assembly.finish(progress))
            } else {
                Err(not_an_answer(http, &start))
            }
        }
        Form::Events => read_events(http, answer, start, assembly, progress).await,
    }
}

async fn read_events<A: Assemble>(
    http: &Http,
    mut answer: Answer,
    mut piece: Vec<u8>,
    mut assembly: A,
    progress: &mut Progress<'_>,
) -> Result<ModelAnswer, ProviderError> {
    let host = http.host();
    let start = plain(&http.without_key(String::from_utf8_lossy(&piece).into_owned()));
    let mut parser = SseParser::default();
    let mut has_event = false;
    loop {
        for event in parser.push(&piece).map_err(|error| too_long(&host, &error))? {
            has_event = true;
            if take(&event, &mut assembly, progress).map_err(|fault| fault.into_error(http))? {
                return Ok(assembly.finish(progress));
            }
        }
        if assembly.has_finished() {
            answer.hurry(AFTER_FINISH);
        }
        piece = match answer.piece().await {
            Ok(Some(piece)) => piece,
            // Only figures can be missing.
            Err(_) if assembly.has_finished() => return Ok(assembly.finish(progress)),
            Err(error) => return Err(error),
            Ok(None) => break,
        };
    }
    // The last event may lack the empty line after it. It may also be cut off.
    let last = parser.finish().map_err(|error| too_long(&host, &error))?;
    if let Some(event) = last.filter(is_whole) {
        has_event = true;
        if take(&event, &mut assembly, progress).map_err(|fault| fault.into_error(http))? {
            return Ok(assembly.finish(progress));
        }
    }
    if assembly.has_finished() {
        return Ok(assembly.finish(progress));
    }
    if !has_event && !start.starts_with("data:") && !start.starts_with("event:") && !start.starts_with(':') {
        return Err(not_an_answer(http, start.as_bytes()));
    }
    Err(transient(format!("failed to read the answer of {host}: it ended in the middle"), None))
}

fn take<A: Assemble>(event: &SseEvent, assembly: &mut A, progress: &mut Progress<'_>) -> Result<bool, Fault> {
    let data = event.data.trim_ascii();
    if data.is_empty() {
        return Ok(false);
    }
    if event.name == "error" {
        let text = || Value::String(String::from_utf8_lossy(data).into_owned());
        return Err(Fault::Reported(serde_json::from_slice(data).unwrap_or_else(|_| text())));
    }
    assembly.event(data, progress)
}

/// Returns `true` if the data of an event is not cut off.
fn is_whole(event: &SseEvent) -> bool {
    let data = event.data.trim_ascii();
    data == b"[DONE]" || serde_json::from_slice::<&RawValue>(data).is_ok()
}

impl Fault {
    fn into_error(self, http: &Http) -> ProviderError {
        let host = http.host();
        match self {
            Self::Json(error) => {
                // The cause may quote a value of the answer.
                let cause = http.without_key(error.to_string());
                bad_answer(format!("failed to read the answer of {host}: the JSON is broken: {cause}"), None)
            }
            Self::Reported(value) => classify::of_event(&value, &host, &|text| http.without_key(text)),
        }
    }
}

const BOM: &[u8] = "\u{feff}".as_bytes();

/// The form of a body. The content type tells it wrongly too often, so the first byte decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A stream of events.
    Events,
    /// One JSON object.
    Json,
    /// A page of a proxy.
    Html,
}

/// Returns the form of a body by its beginning. Returns `None` if more bytes are needed.
fn form_of(start: &[u8]) -> Option<Form> {
    if BOM.starts_with(start) {
        return None;
    }
    let first = start.strip_prefix(BOM).unwrap_or(start).trim_ascii_start().first()?;
    Some(match first {
        b'{' | b'[' => Form::Json,
        b'<' => Form::Html,
        _ => Form::Events,
    })
}

fn bad_answer(message: String, hint: Option<&str>) -> ProviderError {
    let class = ErrorClass::BadAnswer;
    ProviderError { class, message, status: None, retry_after: None, hint: hint.map(str::to_owned) }
}

fn html_error(host: &str) -> ProviderError {
    let message =
        format!("failed to read the answer of {host}: it is a page of HTML, not the answer of a model");
    bad_answer(
        message,
        Some("check model.base_url: it usually ends with /v1; a proxy or a login page may answer instead"),
    )
}

fn not_an_answer(http: &Http, start: &[u8]) -> ProviderError {
    let host = http.host();
    let text = http.without_key(String::from_utf8_lossy(start).into_owned());
    let text: String = plain(&text).chars().take(80).collect();
    let message = format!(
        "failed to read the answer of {host}: it is not the answer of a model, and begins with {text:?}"
    );
    bad_answer(message, Some("check model.base_url: it usually ends with /v1"))
}

fn too_long(host: &str, error: &TooLong) -> ProviderError {
    bad_answer(format!("failed to read the answer of {host}: {error}"), None)
}
