//! Streams and requests of Chat Completions.

use rstest::rstest;
use serde_json::{Value, json};

use super::server::{Server, Step, answer, stream};
use super::*;
use crate::message::{Block, Opaque, Raw, ToolCall, ToolResult, Usage};
use crate::provider::Finish;
use crate::tools::ToolSchema;

const HELLO: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n",
    "data: [DONE]\n\n",
);

async fn ask(script: Vec<Step>) -> (Result<ModelAnswer, ProviderError>, Vec<ModelProgress>) {
    let server = Server::start(vec![script]).await;
    call(&settings(&server.url, Protocol::ChatCompletions), &question()).await
}

/// Returns a stream of these pieces and `[DONE]`.
fn stream_of(pieces: &[Value]) -> String {
    let events = pieces.iter().map(|piece| format!("data: {piece}\n\n"));
    events.chain(["data: [DONE]\n\n".to_owned()]).collect()
}

/// Returns a piece of the first choice.
fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta}]})
}

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

fn raw(json: &str) -> Raw {
    Raw(serde_json::value::RawValue::from_string(json.to_owned()).unwrap())
}

#[tokio::test]
async fn a_stream_becomes_text_and_figures() {
    let (result, progress) = ask(stream(HELLO)).await;
    let answer = result.unwrap();
    assert_eq!(answer.blocks, [text("Héllo")]);
    assert_eq!(answer.finish, Finish::Complete);
    assert_eq!(answer.usage, Some(Usage { input: 7, output: 2, cached: 3, ..Usage::default() }));
    let text = |text: &str| ModelProgress::Text(text.to_owned());
    assert_eq!(progress, [ModelProgress::Accepted, text("Hé"), text("llo")]);
}

#[tokio::test]
async fn cuts_at_every_byte_give_the_same_answer() {
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    let body = HELLO.as_bytes();
    let cut = |place: usize| {
        vec![Step::Send(head.clone()), Step::Send(body[..place].to_vec()), Step::Send(body[place..].to_vec())]
    };
    let server = Server::start((0..body.len()).map(cut).collect()).await;
    let settings = settings(&server.url, Protocol::ChatCompletions);
    for place in 0..body.len() {
        let (result, _) = call(&settings, &question()).await;
        let answer = result.unwrap();
        assert_eq!((answer.blocks, answer.usage.unwrap().input), (vec![text("Héllo")], 7), "cut at {place}");
    }
}

#[rstest]
#[case::bom_and_crlf(format!("\u{feff}: hi\r\n\r\n{}", HELLO.replace('\n', "\r\n")))]
#[case::no_space(HELLO.replace("data: ", "data:"))]
#[case::comments(HELLO.replace("\n\n", "\n\n: keep-alive\n\n"))]
#[case::no_done(HELLO.replace("data: [DONE]\n\n", ""))]
#[case::no_last_empty_line(HELLO.trim_end().to_owned())]
#[case::figures_end_it(HELLO.replace("\"stop\"", "\"\"").replace("data: [DONE]\n\n", ""))]
#[tokio::test]
async fn deviations_of_servers_are_read(#[case] body: String) {
    let answer = ask(stream(&body)).await.0.unwrap();
    assert_eq!((answer.blocks, answer.usage.unwrap().output), (vec![text("Héllo")], 2));
}

#[tokio::test]
async fn json_in_place_of_a_stream_is_read() {
    let body = json!({"choices": [{"message": {"role": "assistant", "content": "hi", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    let (result, progress) =
        ask(answer("200 OK", "content-type: text/event-stream\r\n", &format!("\n{body}"))).await;
    let found = result.unwrap();
    let call = ToolCall { id: "c1".into(), name: "f".into(), arguments: "{\"x\":1}".into(), extra: None };
    assert_eq!(found.blocks, [text("hi"), Block::ToolCall(call)]);
    assert_eq!(found.usage.unwrap().total(), 3);
    assert_eq!(progress, [ModelProgress::Accepted, ModelProgress::Text("hi".to_owned())]);
}

/// Returns the names and arguments of the calls, and the IDs.
async fn calls_of(pieces: &[Value]) -> (Vec<(String, String)>, Vec<String>) {
    let answer = ask(stream(&stream_of(pieces))).await.0.unwrap();
    assert_eq!(answer.finish, Finish::Complete);
    let calls = answer.blocks.into_iter().filter_map(|block| match block {
        Block::ToolCall(call) => Some(((call.name, call.arguments), call.id)),
        _ => None,
    });
    calls.unzip()
}

#[rstest]
#[case::pieces(&[
    json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]),
    json!([{"index": 0, "function": {"arguments": "{\"x\":"}}]),
    json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
    json!([{"index": 0, "function": {"arguments": "1}"}}]),
])]
#[case::repeated_names(&[
    json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]),
    json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}]),
    json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
])]
#[case::several_in_one(&[json!([
    {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}},
    {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}},
])])]
#[case::one_index_for_all(&[
    json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}}]),
    json!([{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
])]
#[case::no_index(&[
    json!([{"id": "a", "function": {"name": "f", "arguments": "{\"x\":"}}]),
    json!([{"function": {"arguments": "1}"}}]),
    json!([{"id": "b", "function": {"name": "g", "arguments": {}}}]),
])]
#[tokio::test]
async fn pieces_of_tool_calls_are_joined(#[case] deltas: &[Value]) {
    let mut pieces: Vec<_> = deltas.iter().map(|calls| delta(json!({"tool_calls": calls}))).collect();
    // Servers disagree on the word.
    pieces.push(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}));
    let (calls, ids) = calls_of(&pieces).await;
    let expected =
        [("f", "{\"x\":1}"), ("g", "{}")].map(|(name, arguments)| (name.to_owned(), arguments.to_owned()));
    assert_eq!(calls, expected);
    assert_eq!(ids, ["a", "b"]);
}

#[tokio::test]
async fn calls_without_ids_get_different_ones() {
    let pieces = [delta(json!({"tool_calls": [
        {"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g", "arguments": "{}"}}]}))];
    let (calls, ids) = calls_of(&pieces).await;
    assert_eq!(calls.len(), 2);
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.starts_with("call_")), "{ids:?}");
}

#[tokio::test]
async fn surrogates_in_two_pieces_are_joined() {
    let half = |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let body = [half("\\ud83d"), half("\\ude00"), "data: [DONE]\n\n".to_owned()].concat();
    assert_eq!(ask(stream(&body)).await.0.unwrap().blocks, [text("😀")]);
}

#[rstest]
#[case("stop", Finish::Complete)]
#[case("tool_calls", Finish::Complete)]
#[case("length", Finish::MaxTokens)]
#[case("content_filter", Finish::Refusal)]
#[case("a new word", Finish::Complete)]
#[tokio::test]
async fn reasons_of_the_end_are_read(#[case] reason: &str, #[case] finish: Finish) {
    let pieces =
        [delta(json!({"content": "x"})), json!({"choices": [{"delta": {}, "finish_reason": reason}]})];
    assert_eq!(ask(stream(&stream_of(&pieces))).await.0.unwrap().finish, finish);
}

#[rstest]
#[case::empty(&[json!({})], None)]
#[case::cumulative(&[json!({"prompt_tokens": 5, "completion_tokens": 1}), json!({"prompt_tokens": 5, "completion_tokens": 9})], Some((5, 9)))]
#[case::null(&[Value::Null], None)]
#[tokio::test]
async fn figures_in_every_piece_are_not_added(
    #[case] usages: &[Value],
    #[case] expected: Option<(u64, u64)>,
) {
    let piece = |usage: &Value| json!({"choices": [{"delta": {"content": "x"}}], "usage": usage});
    let pieces: Vec<_> = usages.iter().map(piece).collect();
    let usage = ask(stream(&stream_of(&pieces))).await.0.unwrap().usage;
    assert_eq!(usage.map(|usage| (usage.input, usage.output)), expected);
}

#[rstest]
#[case(json!({"reasoning_content": "why"}))]
#[case(json!({"reasoning": "why"}))]
#[case(json!({"thinking": "why"}))]
#[case(json!({"reasoning": "why", "reasoning_content": "why"}))]
#[case(json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "why"}]}]}))]
#[tokio::test]
async fn every_name_of_reasoning_is_read_once(#[case] fields: Value) {
    let pieces = [delta(fields), delta(json!({"content": "so"}))];
    let (result, progress) = ask(stream(&stream_of(&pieces))).await;
    assert_eq!(result.unwrap().blocks, [Block::Reasoning { text: "why".to_owned() }, text("so")]);
    assert_eq!(progress[1], ModelProgress::Reasoning("why".to_owned()));
}

#[tokio::test]
async fn fields_that_must_return_are_kept() {
    let item = |text: &str| json!({"type": "reasoning.text", "text": text, "index": 0});
    let pieces = [
        delta(json!({"reasoning_details": [item("a")]})),
        delta(
            json!({"reasoning_details": [item("b"), {"type": "reasoning.encrypted", "data": "z", "index": 1}]}),
        ),
        delta(json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "S"}}}]})),
    ];
    let blocks = ask(stream(&stream_of(&pieces))).await.0.unwrap().blocks;
    let Block::Opaque(opaque) = &blocks[0] else { panic!("{blocks:?}") };
    assert_eq!((opaque.protocol.as_str(), opaque.kind.as_str()), ("chat_completions", "reasoning_details"));
    let details: Value = serde_json::from_str(opaque.raw.0.get()).unwrap();
    assert_eq!(details, json!([item("ab"), {"type": "reasoning.encrypted", "data": "z", "index": 1}]));
    let Block::ToolCall(call) = &blocks[1] else { panic!("{blocks:?}") };
    assert_eq!(call.extra, Some(raw("{\"extra_content\":{\"google\":{\"thought_signature\":\"S\"}}}")));
}

#[tokio::test]
async fn tool_calls_in_text_are_read_if_set() {
    let pieces = [
        delta(json!({"content": "ok <tool_"})),
        delta(json!({"content": "call>{\"name\":\"f\",\"arguments\":{}}</tool_call>"})),
    ];
    let server = Server::start(vec![stream(&stream_of(&pieces))]).await;
    let mut settings = settings(&server.url, Protocol::ChatCompletions);
    assert_eq!(call(&settings, &question()).await.0.unwrap().blocks.len(), 1);
    settings.text_tool_calls = true;
    let (result, progress) = call(&settings, &question()).await;
    let blocks = result.unwrap().blocks;
    assert_eq!(blocks[0], text("ok"));
    assert!(matches!(&blocks[1], Block::ToolCall(call) if call.name == "f"), "{blocks:?}");
    assert_eq!(progress, [ModelProgress::Accepted, ModelProgress::Text("ok ".to_owned())]);
}

/// Returns the body that a provider gets.
async fn sent(provider: &str, request: &ModelRequest) -> Value {
    serde_json::from_slice(&sent_bytes(provider, request).await).unwrap()
}

async fn sent_bytes(provider: &str, request: &ModelRequest) -> Vec<u8> {
    let server = Server::start(vec![stream(HELLO)]).await;
    let mut settings = settings(&server.url, Protocol::ChatCompletions);
    settings.provider = provider.to_owned();
    settings.max_tokens = Some(99);
    call(&settings, request).await.0.unwrap();
    server.seen().remove(0).body
}

/// Returns a history with a picture, reasoning, a call and its result.
fn history() -> ModelRequest {
    let call = |id: &str, arguments: &str| {
        Block::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: arguments.into(),
            extra: Some(raw("{\"extra_content\":{\"a\": 1}}")),
        })
    };
    let result = |id: &str| {
        Block::ToolResult(ToolResult { call_id: id.into(), content: "out".into(), is_error: false })
    };
    let opaque = |protocol: &str, kind: &str| {
        Block::Opaque(Opaque {
            protocol: protocol.into(),
            kind: kind.into(),
            raw: raw("[{\"z\": 1,\"a\":2}]"),
        })
    };
    let picture = Block::Image { media_type: "image/png".into(), data: "AAAA".into() };
    let thought = Block::Reasoning { text: "why".into() };
    let blocks = vec![
        thought,
        opaque("chat_completions", "reasoning_details"),
        opaque("anthropic", "thinking"),
        call("1", "{\"x\": 1}"),
        call("2", "broken"),
    ];
    ModelRequest {
        system: vec!["One.".into(), "Two.".into()],
        messages: vec![
            Message { role: Role::User, blocks: vec![text("look"), picture] },
            Message { role: Role::Assistant, blocks },
            Message { role: Role::Tool, blocks: vec![result("1"), result("2")] },
        ],
        tools: vec![ToolSchema {
            name: "f".into(),
            description: "does".into(),
            parameters: json!({"type": "object"}),
        }],
        ..ModelRequest::default()
    }
}

#[tokio::test]
async fn requests_have_the_form_of_the_protocol() {
    let body = sent("mistral", &history()).await;
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    assert_eq!(
        body,
        json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 99,
            "tools": [{"type": "function", "function": {"name": "f", "description": "does", "parameters": {"type": "object"}}}],
            "messages": [
                {"role": "system", "content": "One.\n\nTwo."},
                {"role": "user", "content": [{"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
                {"role": "assistant", "content": null, "tool_calls": [call("1", "{\"x\": 1}"), call("2", "{\"invalid_arguments\":\"broken\"}")]},
                {"role": "tool", "tool_call_id": "1", "content": "out"},
                {"role": "tool", "tool_call_id": "2", "content": "out"},
            ],
        })
    );
}

#[tokio::test]
async fn texts_of_one_user_message_stay_apart() {
    // Two messages without an answer between them become one, as after a kill.
    let blocks = vec![text("Buy milk"), text("Call Ada")];
    let request =
        ModelRequest { messages: vec![Message { role: Role::User, blocks }], ..ModelRequest::default() };
    let body = sent("openai", &request).await;
    assert_eq!(body["messages"], json!([{"role": "user", "content": "Buy milk\n\nCall Ada"}]));
}

#[rstest]
#[case("deepseek", Some(("reasoning_content", json!("why"))), false)]
#[case("openrouter", Some(("reasoning_details", json!([{"z": 1, "a": 2}]))), false)]
#[case("gemini", None, true)]
#[case("openai", None, false)]
#[tokio::test]
async fn reasoning_returns_by_the_rule_of_the_provider(
    #[case] provider: &str,
    #[case] field: Option<(&str, Value)>,
    #[case] call_fields: bool,
) {
    let body = sent(provider, &history()).await;
    let message = body["messages"][2].as_object().unwrap();
    let extra: Vec<_> = message
        .iter()
        .filter(|(name, _)| !["role", "content", "tool_calls"].contains(&name.as_str()))
        .collect();
    let expected: Vec<_> = field.into_iter().collect();
    assert_eq!(
        extra.iter().map(|(name, value)| (name.as_str(), (*value).clone())).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(message["tool_calls"][0].get("extra_content").is_some(), call_fields);
    let without = sent(provider, &ModelRequest { without_reasoning: true, ..history() }).await.to_string();
    assert!(!without.contains("why") && !without.contains("extra_content"), "{without}");
}

#[tokio::test]
async fn servers_that_require_reasoning_get_an_empty_one() {
    let mut request = history();
    request.messages[1].blocks.remove(0);
    assert_eq!(sent("kimi", &request).await["messages"][2]["reasoning_content"], "");
}

#[tokio::test]
async fn bytes_of_a_field_return_unchanged() {
    let body = String::from_utf8(sent_bytes("openrouter", &history()).await).unwrap();
    assert!(body.contains("\"reasoning_details\":[{\"z\": 1,\"a\":2}]"), "{body}");
}

#[tokio::test]
async fn a_longer_history_only_adds_bytes() {
    let short = sent_bytes("custom", &history()).await;
    assert_eq!(short, sent_bytes("custom", &history()).await);
    let mut longer = history();
    longer.messages.push(Message::text(Role::Assistant, "done"));
    longer.messages.push(Message::text(Role::User, "more"));
    let long = sent_bytes("custom", &longer).await;
    assert!(long.starts_with(short.strip_suffix(b"]}").unwrap()));
}

#[tokio::test]
async fn a_refused_usage_option_is_remembered() {
    let refusal =
        answer("400 Bad Request", "", "{\"error\":{\"message\":\"Unknown field: stream_options\"}}");
    let server = Server::start(vec![refusal, stream(HELLO)]).await;
    let provider = connect(&settings(&server.url, Protocol::ChatCompletions));
    for _ in 0..2 {
        provider.call(&question(), &mut |_| {}).await.unwrap();
    }
    let options: Vec<_> =
        server.seen().iter().map(|seen| seen.json().get("stream_options").is_some()).collect();
    assert_eq!(options, [true, false, false]);
}

#[tokio::test]
async fn the_name_of_the_limit_adapts_to_the_server() {
    let message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
    let refusal = answer("400 Bad Request", "", &json!({"error": {"message": message}}).to_string());
    let server = Server::start(vec![refusal, stream(HELLO)]).await;
    let request = ModelRequest { max_tokens: Some(5), ..question() };
    call(&settings(&server.url, Protocol::ChatCompletions), &request).await.0.unwrap();
    let seen = server.seen();
    assert_eq!(
        (&seen[0].json()["max_tokens"], &seen[1].json()["max_completion_tokens"]),
        (&json!(5), &json!(5))
    );
    assert!(seen[1].json().get("max_tokens").is_none());
}
