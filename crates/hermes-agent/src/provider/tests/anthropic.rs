//! Streams and requests of Anthropic Messages.

use rstest::rstest;
use serde_json::{Value, json};

use super::server::{Server, Step, answer, stream};
use super::*;
use crate::message::{Block, Opaque, Raw, ToolCall, ToolResult, Usage};
use crate::provider::{ErrorClass, Finish};
use crate::tools::ToolSchema;

/// Returns a stream of these events.
fn stream_of(events: &[Value]) -> String {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.iter().map(event).collect()
}

fn block(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

/// Returns an answer with thinking, text and two calls, whose pieces are mixed.
fn events() -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 5, "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 10, "output_tokens": 1}}}),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        json!({"type": "ping"}),
        delta(0, json!({"type": "thinking_delta", "thinking": "wh"})),
        delta(0, json!({"type": "thinking_delta", "thinking": "ÿ"})),
        delta(0, json!({"type": "signature_delta", "signature": "SIG=="})),
        json!({"type": "content_block_stop", "index": 0}),
        block(1, json!({"type": "redacted_thinking", "data": "RED"})),
        block(2, json!({"type": "text", "text": ""})),
        delta(2, json!({"type": "text_delta", "text": "so"})),
        block(3, json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}})),
        block(4, json!({"type": "tool_use", "id": "t2", "name": "g", "input": {}})),
        delta(3, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{\"x\""})),
        delta(3, json!({"type": "input_json_delta", "partial_json": ": 1}"})),
        json!({"type": "a_new_event", "index": 9}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 42}}),
        json!({"type": "message_stop"}),
    ]
}

fn opaque(kind: &str, json: &str) -> Block {
    let raw = Raw(serde_json::value::RawValue::from_string(json.to_owned()).unwrap());
    Block::Opaque(Opaque { protocol: "anthropic".to_owned(), kind: kind.to_owned(), raw })
}

fn tool_call(id: &str, name: &str, arguments: &str) -> Block {
    Block::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), extra: None })
}

fn expected() -> Vec<Block> {
    vec![
        Block::Reasoning { text: "whÿ".to_owned() },
        opaque("thinking", "{\"type\":\"thinking\",\"thinking\":\"whÿ\",\"signature\":\"SIG==\"}"),
        opaque("redacted_thinking", &json!({"type": "redacted_thinking", "data": "RED"}).to_string()),
        Block::Text { text: "so".to_owned() },
        tool_call("t1", "f", "{\"x\": 1}"),
        tool_call("t2", "g", "{}"),
    ]
}

async fn ask(script: Vec<Step>) -> (Result<ModelAnswer, ProviderError>, Vec<ModelProgress>) {
    let server = Server::start(vec![script]).await;
    call(&settings(&server.url, Protocol::Anthropic), &question()).await
}

#[tokio::test]
async fn blocks_are_assembled_by_their_index() {
    let (result, progress) = ask(stream(&stream_of(&events()))).await;
    let answer = result.unwrap();
    assert_eq!(answer.blocks, expected());
    let usage = Usage { input: 115, cached: 100, cache_written: 10, output: 42, reasoning: 0 };
    assert_eq!((answer.usage, answer.finish), (Some(usage), Finish::Complete));
    let reasoning = |text: &str| ModelProgress::Reasoning(text.to_owned());
    assert_eq!(
        progress,
        [ModelProgress::Accepted, reasoning("wh"), reasoning("ÿ"), ModelProgress::Text("so".to_owned())]
    );
}

#[tokio::test]
async fn single_bytes_give_the_same_answer() {
    let mut script = stream("");
    script.extend(stream_of(&events()).bytes().map(|byte| Step::Send(vec![byte])));
    assert_eq!(ask(script).await.0.unwrap().blocks, expected());
}

#[tokio::test]
async fn a_whole_message_is_read() {
    let message = json!({"type": "message", "content": [{"type": "text", "text": "hi"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}], "stop_reason": "max_tokens",
        "usage": {"input_tokens": 3, "output_tokens": 4}});
    let found = ask(answer("200 OK", "", &message.to_string())).await.0.unwrap();
    assert_eq!(found.blocks, [Block::Text { text: "hi".to_owned() }, tool_call("t", "f", "{\"x\":1}")]);
    assert_eq!((found.finish, found.usage.unwrap().total()), (Finish::MaxTokens, 7));
}

#[rstest]
#[case::overloaded(json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), ErrorClass::Overloaded)]
#[case::server(json!({"type": "error", "error": {"type": "api_error", "message": "x"}}), ErrorClass::Transient)]
#[tokio::test]
async fn errors_within_a_stream_end_the_call(#[case] error: Value, #[case] class: ErrorClass) {
    let mut all = events();
    all.truncate(4);
    all.push(error);
    assert_eq!(ask(stream(&stream_of(&all))).await.0.unwrap_err().class, class);
}

#[rstest]
#[case("end_turn", Finish::Complete)]
#[case("refusal", Finish::Refusal)]
#[case("max_tokens", Finish::MaxTokens)]
#[tokio::test]
async fn reasons_of_the_end_are_read(#[case] reason: &str, #[case] finish: Finish) {
    let mut all = events();
    all[16]["delta"]["stop_reason"] = reason.into();
    all.pop();
    assert_eq!(ask(stream(&stream_of(&all))).await.0.unwrap().finish, finish);
}

#[tokio::test]
async fn a_stream_without_an_end_is_transient() {
    let mut all = events();
    all.truncate(16);
    assert_eq!(ask(stream(&stream_of(&all))).await.0.unwrap_err().class, ErrorClass::Transient);
}

fn history() -> ModelRequest {
    let result = |id: &str, is_error| {
        Block::ToolResult(ToolResult { call_id: id.into(), content: "out".into(), is_error })
    };
    let old =
        vec![opaque("thinking", "{\"type\": \"thinking\",\"old\":1}"), Block::Text { text: "hello".into() }];
    let schema =
        ToolSchema { name: "f".into(), description: "does".into(), parameters: json!({"type": "object"}) };
    ModelRequest {
        system: vec!["Stable.".into(), "Middle.".into(), "Today.".into()],
        messages: vec![
            Message::text(Role::User, "hi"),
            Message { role: Role::Assistant, blocks: old },
            Message::text(Role::User, "do"),
            Message { role: Role::Assistant, blocks: expected() },
            Message { role: Role::Tool, blocks: vec![result("t1", false)] },
            Message { role: Role::Tool, blocks: vec![result("t2", true)] },
        ],
        tools: vec![schema],
        ..ModelRequest::default()
    }
}

async fn sent(request: &ModelRequest, change: impl FnOnce(&mut ModelSettings)) -> Value {
    let server = Server::start(vec![stream(&stream_of(&events()))]).await;
    let mut settings = settings(&server.url, Protocol::Anthropic);
    change(&mut settings);
    call(&settings, request).await.0.unwrap();
    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("post /v1/messages "), "{}", seen.head);
    assert!(
        seen.head.contains("x-api-key: canary-key-4711")
            && seen.head.contains("anthropic-version: 2023-06-01"),
        "{}",
        seen.head
    );
    seen.json()
}

#[tokio::test]
async fn requests_have_the_form_of_the_protocol() {
    let cache = json!({"type": "ephemeral"});
    let body = sent(&history(), |_| {}).await;
    assert_eq!(
        body,
        json!({
            "model": "m", "max_tokens": 8192, "stream": true,
            "tools": [{"name": "f", "description": "does", "input_schema": {"type": "object"}}],
            "system": [{"type": "text", "text": "Stable.", "cache_control": cache}, {"type": "text", "text": "Middle."},
                {"type": "text", "text": "Today.", "cache_control": cache}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
                {"role": "user", "content": [{"type": "text", "text": "do", "cache_control": cache}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "whÿ", "signature": "SIG=="}, {"type": "redacted_thinking", "data": "RED"},
                    {"type": "text", "text": "so"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
                    {"type": "tool_use", "id": "t2", "name": "g", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "out"},
                    {"type": "tool_result", "tool_use_id": "t2", "content": "out", "is_error": true, "cache_control": cache}]},
            ],
        })
    );
}

#[tokio::test]
async fn a_rejected_signature_does_not_return() {
    let body = sent(&ModelRequest { without_reasoning: true, ..history() }, |_| {}).await.to_string();
    assert!(!body.contains("SIG") && !body.contains("RED") && !body.contains("why"), "{body}");
}

#[tokio::test]
async fn results_come_before_a_message_that_follows() {
    let mut request = history();
    request.messages.insert(4, Message::text(Role::User, "wait"));
    let body = sent(&request, |_| {}).await;
    let kinds: Vec<_> =
        body["messages"][4]["content"].as_array().unwrap().iter().map(|part| part["type"].clone()).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text"]);
}

#[tokio::test]
async fn the_effort_sets_the_budget_of_thinking() {
    let body = sent(&history(), |settings| {
        settings.reasoning_effort = Some("low".to_owned());
        settings.temperature = Some(0.5);
    })
    .await;
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 2048}));
    assert_eq!((&body["max_tokens"], body.get("temperature")), (&json!(10240), None));
}

#[tokio::test]
async fn the_form_of_thinking_adapts_to_the_model() {
    let message =
        "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\".";
    let refusal = answer(
        "400 Bad Request",
        "",
        &json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}}).to_string(),
    );
    let server = Server::start(vec![refusal, stream(&stream_of(&events()))]).await;
    let mut settings = settings(&server.url, Protocol::Anthropic);
    settings.reasoning_effort = Some("high".to_owned());
    call(&settings, &question()).await.0.unwrap();
    let body = server.seen()[1].json();
    assert_eq!(
        (&body["thinking"], &body["output_config"]),
        (&json!({"type": "adaptive"}), &json!({"effort": "high"}))
    );
}

#[rstest]
#[case("http://h", "/v1/messages")]
#[case("http://h/v1/", "/messages")]
#[case("http://h/anthropic", "/v1/messages")]
fn the_base_url_may_end_with_the_version(#[case] url: &str, #[case] path: &str) {
    let settings = settings(url, Protocol::Anthropic);
    assert_eq!(crate::provider::anthropic::path_of(&settings, "/messages"), path);
}
