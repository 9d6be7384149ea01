//! Each fault, observed byte for byte.

use rstest::rstest;
use serde_json::{Value, json};

use crate::raw::{End, chat, post, server, stream};

#[test]
fn each_byte_comes_by_itself() {
    let text = "Hällo 🦀";
    let server = server(&json!([{"fault": "cut_every_byte", "text": text, "chunk_bytes": 4}]));
    let answer = stream(&server);
    assert_eq!((answer.streamed_text().as_str(), answer.end), (text, End::Closed));
    // The kernel may join segments before this client reads them.
    let bytes: usize = answer.reads.iter().sum();
    let single = answer.reads.iter().filter(|length| **length == 1).count();
    assert!(single > bytes / 4, "{single} of {bytes} bytes come by themselves");
}

#[test]
fn a_stall_sends_the_head_only() {
    let answer = stream(&server(&json!([{"fault": "stall"}])));
    assert_eq!((answer.status(), answer.raw_body.len(), answer.end), (200, 0, End::Stalled));
}

#[rstest]
#[case("stall_after_bytes", End::Stalled)]
#[case("reset", End::Reset)]
fn the_body_stops_after_the_given_bytes(
    #[case] fault: &str,
    #[case] end: End,
    #[values(true, false)] is_streamed: bool,
    #[values(1, 200)] bytes: usize,
) {
    let server = server(&json!([{"fault": fault, "after_bytes": bytes, "text": "x".repeat(300)}]));
    let answer = post(&server, "/v1/chat/completions", &chat(is_streamed));
    assert_eq!((answer.status(), answer.body().len(), answer.end), (200, bytes, end));
    assert!(!answer.is_complete());
}

#[test]
fn a_reset_needs_no_body() {
    let answer = stream(&server(&json!([{"fault": "reset"}])));
    assert_eq!((answer.raw_body.len(), answer.end), (0, End::Reset));
}

#[test]
fn half_a_line_ends_a_complete_body() {
    let answer = stream(&server(&json!([{"fault": "half_line", "text": "x".repeat(100)}])));
    assert!(answer.is_complete(), "{answer:?}");
    let text = answer.text();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("data: {") && !last.ends_with('}') && !text.ends_with('\n'), "{text}");
}

#[test]
fn half_a_line_cuts_a_whole_answer() {
    let server = server(&json!([{"fault": "half_line"}]));
    let answer = post(&server, "/v1/chat/completions", &chat(false));
    assert_eq!(answer.header("content-length"), Some(answer.body().len().to_string().as_str()));
    assert!(serde_json::from_slice::<Value>(&answer.body()).is_err());
}

#[rstest]
#[case(json!({"fault": "long_line"}), 10 * 1024 * 1024)]
#[case(json!({"fault": "long_line", "bytes": 5000}), 5000)]
fn a_long_line_has_its_length(#[case] step: Value, #[case] bytes: usize) {
    let text = stream(&server(&json!([step]))).text();
    let longest = text.lines().map(str::len).max().unwrap();
    assert!((bytes..bytes + 300).contains(&longest), "{longest}");
}

#[test]
fn the_content_type_is_replaced() {
    let answer = stream(&server(&json!([{"fault": "content_type", "content_type": "text/plain"}])));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.streamed_text(), "An answer.");
}

#[test]
fn a_proxy_answers_with_a_page() {
    let answer = stream(&server(&json!([{"fault": "html"}])));
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(answer.text().starts_with("<!doctype html>"));
}

#[rstest]
#[case(429, None, "rate_limit_error")]
#[case(429, Some("7"), "rate_limit_error")]
#[case(529, None, "overloaded_error")]
#[case(401, None, "authentication_error")]
#[case(402, None, "billing_error")]
fn a_status_has_the_form_of_its_protocol(
    #[case] status: u16,
    #[case] retry_after: Option<&str>,
    #[case] kind: &str,
) {
    let step = json!({"fault": "status", "status": status, "retry_after": retry_after, "times": 2});
    let server = server(&json!([step]));
    let answer = stream(&server);
    assert_eq!((answer.status(), answer.header("retry-after")), (status, retry_after));
    assert!(answer.json()["error"]["message"].is_string());
    let mut body = chat(true);
    body["max_tokens"] = 5.into();
    assert_eq!(post(&server, "/v1/messages", &body).json()["error"]["type"], kind);
}

#[test]
fn a_status_can_have_any_body() {
    let step = json!({"fault": "status", "status": 400, "body": {"detail": "no"}, "headers": {"Retry-After-Ms": "9"}});
    let answer = stream(&server(&json!([step])));
    assert_eq!((answer.json(), answer.header("retry-after-ms")), (json!({"detail": "no"}), Some("9")));
}

#[rstest]
#[case("openai", "/error/code", json!("context_length_exceeded"))]
#[case("anthropic", "/error/message", json!("prompt is too long: 208310 tokens > 200000 maximum"))]
#[case("vllm", "/error/type", json!("BadRequestError"))]
#[case("llama.cpp", "/error/type", json!("exceed_context_size_error"))]
fn a_long_context_is_refused_in_known_words(
    #[case] words: &str,
    #[case] place: &str,
    #[case] expected: Value,
) {
    let answer = stream(&server(&json!([{"fault": "context_too_long", "words": words}])));
    assert_eq!((answer.status(), answer.json().pointer(place)), (400, Some(&expected)));
}

#[test]
fn an_error_follows_the_text() {
    let server =
        server(&json!([{"fault": "error_in_stream", "text": "Hello", "message": "Broken", "times": 2}]));
    let answer = stream(&server);
    let text = answer.text();
    let last = text.lines().rfind(|line| !line.is_empty()).unwrap();
    assert!(last.contains(r#""message":"Broken""#) && text.contains("Hello"), "{text}");
    assert!(answer.is_complete() && !text.contains("[DONE]"), "{text}");
    let mut body = chat(true);
    body["max_tokens"] = 5.into();
    let text = post(&server, "/v1/messages", &body).text();
    let error = text.split_once("event: error\n").map(|(_, error)| error);
    assert!(error.is_some_and(|error| error.contains("\"message\":\"Broken\"")), "{text}");
}

#[test]
fn the_first_byte_is_slow() {
    let server = server(&json!([{"fault": "slow_first_byte", "wait_ms": 200}]));
    let start = std::time::Instant::now();
    let answer = stream(&server);
    assert_eq!(answer.streamed_text(), "An answer.");
    assert!(start.elapsed().as_millis() >= 200, "{:?}", start.elapsed());
}

#[test]
fn one_object_comes_instead_of_a_stream() {
    let answer = stream(&server(&json!([{"fault": "json_instead_of_sse", "text": "Hello"}])));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello");
}

#[test]
fn the_last_event_is_missing() {
    let server = server(&json!([{"fault": "no_done", "times": 2}]));
    let answer = stream(&server);
    assert!(answer.is_complete() && !answer.text().contains("[DONE]"));
    assert!(answer.text().contains(r#""finish_reason":"stop""#));
    let mut body = chat(true);
    body["max_tokens"] = 5.into();
    let text = post(&server, "/v1/messages", &body).text();
    assert!(text.contains("message_delta") && !text.contains("message_stop"), "{text}");
}

#[test]
fn a_byte_order_mark_begins_the_body() {
    let text = stream(&server(&json!([{"fault": "bom"}]))).text();
    assert!(text.starts_with("\u{feff}data: {"), "{text}");
}

#[test]
fn lines_end_with_cr_and_lf() {
    let text = stream(&server(&json!([{"fault": "crlf"}]))).text();
    assert!(text.ends_with("data: [DONE]\r\n\r\n"), "{text}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
}

#[test]
fn stream_options_are_refused() {
    let server = server(&json!([{"fault": "usage_refused"}, {"text": "Hello"}]));
    let mut body = chat(true);
    body["stream_options"] = json!({"include_usage": true});
    for _ in 0..2 {
        let answer = post(&server, "/v1/chat/completions", &body);
        assert_eq!(answer.status(), 400);
        assert!(answer.text().contains("stream_options"));
    }
    assert_eq!(stream(&server).streamed_text(), "Hello");
}
