//! Turns the status, headers and body of a failed call into a class of error.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::{ErrorClass, ProviderError};

/// The most characters of a server's message that are kept.
const MESSAGE_MAX: usize = 400;

/// The longest wait that a server may ask for.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Texts of servers that say that the prompt is too long: OpenAI, Anthropic, vLLM, llama.cpp, Gemini, others.
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "exceed_context_size",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input length and `max_tokens` exceed",
    "too many input tokens",
    "input token count",
    "reduce the length of the messages",
];

/// Texts of servers that reject reasoning which went back to them.
const REASONING: &[&str] = &[
    "signature",
    "thinking block",
    "`thinking`",
    "redacted_thinking",
    "reasoning_content",
    "reasoning_details",
    "thought_signature",
    "encrypted_content",
];

/// Texts of servers that say that a quota or credit is used up.
const USED_UP: &[&str] = &[
    "insufficient_quota",
    "exceeded your current quota",
    "credit balance",
    "insufficient balance",
    "insufficient credits",
    "billing_hard_limit",
    "billing_error",
    "payment required",
];

/// A function that removes the key from a text. It runs before a text is cut: the rest of a cut key would not be recognized.
pub(crate) type WithoutKey<'a> = dyn Fn(String) -> String + 'a;

/// The message of a server and the words that name its class.
#[derive(Debug, Default)]
pub(crate) struct ServerMessage {
    /// The readable text.
    pub(crate) text: String,
    /// `error.type` and `error.code`, in small letters.
    words: String,
    /// `error.code` if it is the number of an HTTP status.
    status: Option<u16>,
}

impl ServerMessage {
    /// Reads the body of an error: the JSON of OpenAI, Anthropic or FastAPI, or a text.
    pub(crate) fn of_body(body: &[u8], without_key: &WithoutKey<'_>) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Array(items)) => {
                items.first().map(|item| Self::of_json(item, without_key)).unwrap_or_default()
            }
            Ok(value) => Self::of_json(&value, without_key),
            Err(_) => {
                let text = without_key(String::from_utf8_lossy(body).into_owned());
                Self { text: plain(&text), ..Self::default() }
            }
        }
    }

    /// Reads `{"error": …}`, or the inner value alone.
    pub(crate) fn of_json(value: &Value, without_key: &WithoutKey<'_>) -> Self {
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let text = match error {
            Value::String(text) => text.clone(),
            error => ["message", "detail", "msg"]
                .iter()
                .find_map(|name| error.get(name).or_else(|| value.get(name)))
                .map_or_else(
                    || error.to_string(),
                    |text| text.as_str().map_or_else(|| text.to_string(), str::to_owned),
                ),
        };
        // OpenRouter puts the text of the server behind it into `metadata.raw`.
        let behind = error.pointer("/metadata/raw").and_then(Value::as_str);
        let text = behind.map_or_else(|| text.clone(), |behind| format!("{text}: {behind}"));
        let word = |name: &str| {
            error.get(name).map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
        };
        let words =
            [word("type"), word("code"), word("status")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let status = error.get("code").or_else(|| error.get("status")).and_then(|code| {
            code.as_u64().or_else(|| code.as_str()?.parse().ok()).and_then(|code| u16::try_from(code).ok())
        });
        let status = status.filter(|status| (400..600).contains(status));
        Self { text: plain(&without_key(text)), words: words.to_ascii_lowercase(), status }
    }

    /// Returns `true` if the text or the words hold one of these.
    pub(crate) fn mentions(&self, texts: &[&str]) -> bool {
        let text = self.text.to_ascii_lowercase();
        texts.iter().any(|part| text.contains(part) || self.words.contains(part))
    }
}

/// Returns the error for an answer that is no success.
pub(crate) fn of_answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    host: &str,
    without_key: &WithoutKey<'_>,
) -> ProviderError {
    let message = ServerMessage::of_body(body, without_key);
    let class = class_of(status.as_u16(), &message);
    let reason = if message.text.is_empty() { String::new() } else { format!(": {}", message.text) };
    let name = status.canonical_reason().map(|name| format!(" {name}")).unwrap_or_default();
    ProviderError {
        class,
        message: format!("failed to call the model at {host}: status {}{name}{reason}", status.as_u16()),
        status: Some(status.as_u16()),
        retry_after: retry_after(headers, SystemTime::now()),
        hint: hint(class, status.as_u16()),
    }
}

/// Returns the error for an error that a server sent inside of a stream with status 200.
pub(crate) fn of_event(value: &Value, host: &str, without_key: &WithoutKey<'_>) -> ProviderError {
    let message = ServerMessage::of_json(value, without_key);
    let status = message.status.unwrap_or(if message.mentions(&["overloaded"]) {
        529
    } else if message.mentions(&["rate_limit", "rate limit", "too many requests"]) {
        429
    } else if message.mentions(&["authentication", "permission_error", "invalid_api_key"]) {
        401
    } else if message.mentions(&["invalid_request", "not_found"]) || message.mentions(TOO_LONG) {
        400
    } else {
        500
    });
    let class = class_of(status, &message);
    ProviderError {
        class,
        message: format!("failed to read the answer of {host}: the server reports: {}", message.text),
        status: None,
        retry_after: None,
        hint: hint(class, status),
    }
}

fn class_of(status: u16, message: &ServerMessage) -> ErrorClass {
    match status {
        402 => ErrorClass::Payment,
        400 | 403 | 429 if message.mentions(USED_UP) => ErrorClass::Payment,
        401 | 403 => ErrorClass::Authentication,
        400 | 413 | 422 | 500 if message.mentions(TOO_LONG) => ErrorClass::ContextTooLong,
        400 | 422 if message.mentions(REASONING) => ErrorClass::ReasoningRejected,
        400 if message.mentions(&["invalid_api_key", "api key not valid", "api_key_invalid"]) => {
            ErrorClass::Authentication
        }
        429 => ErrorClass::RateLimited,
        503 | 529 => ErrorClass::Overloaded,
        408 | 409 | 425 => ErrorClass::Transient,
        500.. if message.mentions(&["overloaded"]) => ErrorClass::Overloaded,
        500.. => ErrorClass::Transient,
        _ => ErrorClass::Invalid,
    }
}

fn hint(class: ErrorClass, status: u16) -> Option<String> {
    let text = match (class, status) {
        (ErrorClass::Authentication, 401 | 400) => {
            "check the key of this provider in .env of the profile, or run: hermes setup"
        }
        (ErrorClass::Authentication, _) => {
            "the key is known, and may not use this model: choose another one with: hermes model"
        }
        (ErrorClass::Payment, _) => "add credit at the provider, or choose another model with: hermes model",
        (ErrorClass::Invalid, 404 | 405) => {
            "check model.default and model.base_url; list the models of the server with: hermes model"
        }
        (ErrorClass::ContextTooLong, _) => "compact the conversation, or begin a new one",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Returns the wait that the headers ask for.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds =
        |text: &str| text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let milliseconds = || seconds(text("retry-after-ms")?).map(|time| time / 1000);
    let after = || {
        let text = text("retry-after")?;
        seconds(text)
            .or_else(|| Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()))
    };
    let reset = |name: &str| reset_of(text(name)?, now);
    // Only the limit that is used up counts.
    let used_up = |kind: &str| {
        text(&format!("x-ratelimit-remaining-{kind}")).is_some_and(|left| left == "0").then_some(())?;
        reset(&format!("x-ratelimit-reset-{kind}"))
    };
    let wait = milliseconds()
        .or_else(after)
        .or_else(|| used_up("requests").max(used_up("tokens")))
        .or_else(|| reset("x-ratelimit-reset"))
        .or_else(|| reset("x-ratelimit-reset-requests").max(reset("x-ratelimit-reset-tokens")))?;
    Some(wait.min(WAIT_MAX))
}

/// Reads the forms of a reset: `1.5`, `6m0s`, `120ms`, or a time since 1970 in seconds or milliseconds.
fn reset_of(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        let since = |seconds| {
            let point = SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
            Some(point.duration_since(now).unwrap_or_default())
        };
        return match number {
            number if number >= 1e11 => since(number / 1000.0),
            number if number >= 1e8 => since(number),
            number => Duration::try_from_secs_f64(number).ok(),
        };
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let (unit, next) =
            after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = next;
    }
    Duration::try_from_secs_f64(total).ok()
}

/// Returns a text of a server as one line of bounded length, without control characters.
pub(crate) fn plain(text: &str) -> String {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};
    use rstest::rstest;

    use super::*;

    fn error(status: u16, body: &str) -> ProviderError {
        let status = StatusCode::from_u16(status).unwrap();
        of_answer(status, &HeaderMap::new(), body.as_bytes(), "host", &|text| text)
    }

    #[rstest]
    #[case::openai_context(400, r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#, ErrorClass::ContextTooLong)]
    #[case::anthropic_context(400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 212000 tokens > 200000 maximum"}}"#, ErrorClass::ContextTooLong)]
    #[case::vllm_context(400, r#"{"object":"error","message":"You passed 9000 input tokens. However, the model's context length is only 8192 tokens","type":"BadRequestError","code":400}"#, ErrorClass::ContextTooLong)]
    #[case::llamacpp_context(400, r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#, ErrorClass::ContextTooLong)]
    #[case::llamacpp_old(
        500,
        r#"{"error":{"code":500,"message":"context size exceeded","type":"server_error"}}"#,
        ErrorClass::ContextTooLong
    )]
    #[case::too_large(
        413,
        r#"{"error":{"message":"Request too large: reduce the length of the messages"}}"#,
        ErrorClass::ContextTooLong
    )]
    #[case::signature(
        400,
        r#"{"error":{"message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}"#,
        ErrorClass::ReasoningRejected
    )]
    #[case::reasoning(422, r#"{"detail":"extra field reasoning_content"}"#, ErrorClass::ReasoningRejected)]
    #[case::gemini(400, r#"[{"error":{"code":400,"message":"Function call is missing a thought_signature","status":"INVALID_ARGUMENT"}}]"#, ErrorClass::ReasoningRejected)]
    #[case::key(401, r#"{"error":{"message":"Incorrect API key"}}"#, ErrorClass::Authentication)]
    #[case::gemini_key(400, r#"[{"error":{"message":"API key not valid."}}]"#, ErrorClass::Authentication)]
    #[case::right(403, "", ErrorClass::Authentication)]
    #[case::money(402, "", ErrorClass::Payment)]
    #[case::quota(
        429,
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}"#,
        ErrorClass::Payment
    )]
    #[case::credit(400, r#"{"error":{"message":"Your credit balance is too low"}}"#, ErrorClass::Payment)]
    #[case::rate(429, r#"{"error":{"message":"Rate limit reached"}}"#, ErrorClass::RateLimited)]
    #[case::overloaded(529, "", ErrorClass::Overloaded)]
    #[case::unavailable(503, "<html>", ErrorClass::Overloaded)]
    #[case::server(500, "oops", ErrorClass::Transient)]
    #[case::gateway(502, "", ErrorClass::Transient)]
    #[case::timeout(408, "", ErrorClass::Transient)]
    #[case::conflict(409, "", ErrorClass::Transient)]
    #[case::early(425, "", ErrorClass::Transient)]
    #[case::model(404, r#"{"error":"model 'x' not found"}"#, ErrorClass::Invalid)]
    #[case::other(400, r#"{"error":{"message":"bad tool"}}"#, ErrorClass::Invalid)]
    fn statuses_and_bodies_have_a_class(#[case] status: u16, #[case] body: &str, #[case] class: ErrorClass) {
        let error = error(status, body);
        assert_eq!(error.class, class, "{error:?}");
        assert_eq!(error.status, Some(status));
    }

    #[rstest]
    #[case(r#"{"type":"overloaded_error","message":"Overloaded"}"#, ErrorClass::Overloaded)]
    #[case(r#"{"message":"x","code":429}"#, ErrorClass::RateLimited)]
    #[case(r#"{"message":"x","code":"502"}"#, ErrorClass::Transient)]
    #[case(r#""something broke""#, ErrorClass::Transient)]
    #[case(r#"{"message":"maximum context length is 5"}"#, ErrorClass::ContextTooLong)]
    fn errors_within_a_stream_have_a_class(#[case] json: &str, #[case] class: ErrorClass) {
        assert_eq!(of_event(&serde_json::from_str(json).unwrap(), "host", &|text| text).class, class);
    }

    #[rstest]
    #[case(&[("retry-after", "7")], Some(7.0))]
    #[case(&[("retry-after", "1.5")], Some(1.5))]
    #[case(&[("retry-after", "Thu, 01 Jan 1970 00:16:50 GMT")], Some(10.0))]
    #[case(&[("retry-after", "Thu, 01 Jan 1970 00:00:10 GMT")], Some(0.0))]
    #[case(&[("retry-after-ms", "250"), ("retry-after", "7")], Some(0.25))]
    #[case(&[("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-reset-tokens", "120ms")], Some(360.0))]
    #[case(&[("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "2s")], Some(2.0))]
    #[case(&[("x-ratelimit-reset", "1500000000000")], Some(86400.0))]
    #[case(&[("x-ratelimit-reset", "12")], Some(12.0))]
    #[case(&[("retry-after", "soon")], None)]
    #[case(&[("retry-after", "-4")], None)]
    #[case(&[], None)]
    fn servers_tell_the_wait(#[case] headers: &[(&str, &str)], #[case] seconds: Option<f64>) {
        let pairs = headers.iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(retry_after(&pairs.collect(), now), seconds.map(Duration::from_secs_f64));
    }

    #[test]
    fn long_messages_are_cut() {
        let error = error(500, &"é\n".repeat(1000));
        assert!(error.message.chars().count() < 600 && error.message.ends_with('…'), "{}", error.message);
    }
}
