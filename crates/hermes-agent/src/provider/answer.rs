//! The form of a successful answer. Servers and proxies do not always send the stream that was asked for.

use super::classify::plain;
use super::sse::TooLong;
use super::{ErrorClass, ProviderError};

/// The form of a body. The content type tells it wrongly too often, so the first byte decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A stream of events.
    Events,
    /// One JSON object.
    Json,
    /// A page of a proxy.
    Html,
}

/// Returns the form of a body by its beginning. Returns `None` if more bytes are needed.
pub(super) fn form_of(start: &[u8]) -> Option<Form> {
    const BOM: &[u8] = "\u{feff}".as_bytes();
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

pub(super) fn bad_answer(message: String, hint: Option<&str>) -> ProviderError {
    let class = ErrorClass::BadAnswer;
    ProviderError { class, message, status: None, retry_after: None, hint: hint.map(str::to_owned) }
}

pub(super) fn html_error(host: &str) -> ProviderError {
    let message =
        format!("failed to read the answer of {host}: it is a page of HTML, not the answer of a model");
    bad_answer(
        message,
        Some("check model.base_url: it usually ends with /v1; a proxy or a login page may answer instead"),
    )
}

pub(super) fn not_an_answer(host: &str, start: &[u8]) -> ProviderError {
    let text: String = plain(&String::from_utf8_lossy(start)).chars().take(80).collect();
    let message = format!(
        "failed to read the answer of {host}: it is not the answer of a model, and begins with {text:?}"
    );
    bad_answer(message, Some("check model.base_url: it usually ends with /v1"))
}

pub(super) fn too_long(host: &str, error: &TooLong) -> ProviderError {
    bad_answer(format!("failed to read the answer of {host}: {error}"), None)
}
