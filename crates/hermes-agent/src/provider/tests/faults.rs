//! Faults of servers and networks, and the way to a server.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use rstest::rstest;
use serde_json::Value;

use super::server::{Server, Step, answer, stream};
use super::*;
use crate::message::Block;
use crate::provider::{ErrorClass, list_models};

const PIECE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

async fn fail(script: Vec<Step>) -> ProviderError {
    let server = Server::start(vec![script]).await;
    call(&quick(&server.url), &question()).await.0.unwrap_err()
}

/// Returns settings with short limits.
fn quick(url: &str) -> ModelSettings {
    let limit = Duration::from_millis(300);
    ModelSettings {
        timeouts: Timeouts { connect: Duration::from_secs(5), first_byte: limit, between_bytes: limit },
        ..settings(url, Protocol::ChatCompletions)
    }
}

fn head() -> Step {
    Step::Send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n".to_vec())
}

fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

#[rstest]
#[case::html(
    answer("200 OK", "content-type: text/html\r\n", "<!doctype html><title>Login"),
    ErrorClass::BadAnswer,
    "a page of HTML"
)]
#[case::text(
    answer("200 OK", "", "Ollama is running"),
    ErrorClass::BadAnswer,
    "begins with \"Ollama is running\""
)]
#[case::other_json(
    answer("200 OK", "", "{\"ok\":true}"),
    ErrorClass::BadAnswer,
    "is not the answer of a model"
)]
#[case::broken_json(stream("data: {\"choices\":[\n\n"), ErrorClass::BadAnswer, "the JSON is broken")]
#[case::long_line(vec![head(), Step::Send([b"data: ".as_slice(), &[b'x'; 10 << 20]].concat())], ErrorClass::BadAnswer, "is longer than 1048576 bytes")]
#[case::empty(answer("200 OK", "", ""), ErrorClass::Transient, "it is empty")]
#[case::no_end(stream(PIECE), ErrorClass::Transient, "it ended in the middle")]
#[case::half_line(stream(&PIECE[..PIECE.len() - 9]), ErrorClass::Transient, "it ended in the middle")]
#[case::only_done(stream(DONE), ErrorClass::Transient, "it ended in the middle")]
#[case::reset(vec![head(), send(PIECE), Step::Reset], ErrorClass::Transient, "failed to read the answer")]
#[case::error_event(
    stream(
        "event: error\ndata: {\"error\":{\"message\":\"canary-key-4711 is bad\",\"type\":\"overloaded_error\"}}\n\n"
    ),
    ErrorClass::Overloaded,
    "[key] is bad"
)]
#[case::error_data(stream(&format!("{PIECE}data: {{\"error\":{{\"message\":\"no\",\"code\":429}}}}\n\n")), ErrorClass::RateLimited, "the server reports: no")]
#[case::key_in_text(
    answer("401 Unauthorized", "", "{\"error\":{\"message\":\"Incorrect API key: canary-key-4711\"}}"),
    ErrorClass::Authentication,
    "Incorrect API key: [key]"
)]
#[case::cut_key(
    answer("401 Unauthorized", "", &format!("{} canary-key-4711", "x".repeat(390))),
    ErrorClass::Authentication,
    "x [key]"
)]
#[case::cut_key_in_event(
    stream(&format!("data: {{\"error\":{{\"message\":\"{} canary-key-4711\",\"code\":401}}}}\n\n", "x".repeat(390))),
    ErrorClass::Authentication,
    "x [key]"
)]
#[case::key_in_strange_text(
    answer("200 OK", "", "wrong key: canary-key-4711"),
    ErrorClass::BadAnswer,
    "begins with \"wrong key: [key]\""
)]
#[case::key_in_strange_json(
    answer("200 OK", "", "{\"detail\":\"canary-key-4711 is wrong\"}"),
    ErrorClass::BadAnswer,
    "[key] is wrong"
)]
#[case::key_in_path(
    answer("307 Temporary Redirect", "location: /login/canary-key-4711\r\n", ""),
    ErrorClass::Invalid,
    "/login/[key]"
)]
#[case::overloaded(answer("529 Overloaded", "", ""), ErrorClass::Overloaded, "status 529")]
#[tokio::test]
async fn faults_of_a_server_have_a_class(
    #[case] script: Vec<Step>,
    #[case] class: ErrorClass,
    #[case] part: &str,
) {
    let error = fail(script).await;
    assert_eq!(error.class, class, "{error:?}");
    assert!(error.message.contains(part) && error.message.starts_with("failed to "), "{error:?}");
}

#[tokio::test]
async fn the_wait_of_a_rate_limit_is_read() {
    let error =
        fail(answer("429 Too Many Requests", "retry-after: 9\r\n", "{\"error\":{\"message\":\"slow\"}}"))
            .await;
    assert_eq!(
        (error.class, error.status, error.retry_after),
        (ErrorClass::RateLimited, Some(429), Some(Duration::from_secs(9)))
    );
}

#[tokio::test]
async fn a_refused_connection_is_transient() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let error = call(&quick(&url), &question()).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(
        error.message.contains("refused") && error.hint.unwrap().contains("localhost is the container"),
        "{}",
        error.message
    );
}

#[rstest]
#[case::no_answer(vec![Step::Stall], "no byte came within 0.3 s")]
#[case::no_body(vec![head(), Step::Stall], "no byte came within 0.3 s")]
#[case::pause(vec![head(), send(PIECE), Step::Stall], "it paused for longer than 0.3 s")]
#[tokio::test]
async fn limits_of_time_end_a_call(#[case] script: Vec<Step>, #[case] part: &str) {
    let server = Server::start(vec![script]).await;
    let mut settings = quick(&server.url);
    settings.timeouts.connect = Duration::from_millis(300);
    let error = call(&settings, &question()).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(error.message.contains(part), "{error:?}");
    // The connection is closed, so that the server stops.
    tokio::time::timeout(Duration::from_secs(10), server.closed()).await.unwrap();
}

#[tokio::test]
async fn a_stall_after_the_end_loses_no_answer() {
    let body = format!("{PIECE}data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n");
    let server = Server::start(vec![vec![head(), send(&body), Step::Stall]]).await;
    let answer = call(&quick(&server.url), &question()).await.0.unwrap();
    assert_eq!(answer.blocks, [Block::Text { text: "a".to_owned() }]);
}

#[tokio::test]
async fn a_dropped_call_closes_the_connection() {
    let server = Server::start(vec![vec![head(), send(PIECE), Step::Stall]]).await;
    let provider = connect(&settings(&server.url, Protocol::ChatCompletions));
    let request = question();
    let (sender, mut first) = tokio::sync::mpsc::unbounded_channel();
    let mut report = move |step| sender.send(step).unwrap();
    tokio::select! {
        result = provider.call(&request, &mut report) => panic!("{result:?}"),
        () = async { while !matches!(first.recv().await, Some(ModelProgress::Text(_))) {} } => {}
    }
    tokio::time::timeout(Duration::from_secs(10), server.closed()).await.unwrap();
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Server::start(vec![stream(PIECE)]).await;
    let target = other.url.replace("127.0.0.1", "localhost");
    let server = Server::start(vec![answer(
        "307 Temporary Redirect",
        &format!("location: {target}?k=canary\r\n"),
        "",
    )])
    .await;
    let error = call(&quick(&server.url), &question()).await.0.unwrap_err();
    assert_eq!((error.class, error.status), (ErrorClass::Invalid, Some(307)));
    assert!(
        error.message.contains("it redirects to localhost:") && !error.message.contains("canary"),
        "{error:?}"
    );
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn proxies_get_requests_for_distant_hosts_only() {
    let proxy = Server::start(vec![stream(&format!("{PIECE}{DONE}"))]).await;
    let mut settings = quick("http://model.example/v1");
    settings.network.http_proxy =
        Some(Secret::new(proxy.url.trim_end_matches("/v1").replace("://", "://me:canary@")));
    call(&settings, &question()).await.0.unwrap();
    let head = proxy.seen().remove(0).head;
    assert!(head.starts_with("post http://model.example/v1/chat/completions"), "{head}");
    assert!(head.contains("proxy-authorization: basic"), "{head}");
    let near = Server::start(vec![stream(&format!("{PIECE}{DONE}"))]).await;
    settings.base_url = reqwest::Url::parse(&near.url).unwrap();
    call(&settings, &question()).await.0.unwrap();
    assert_eq!((proxy.seen().len(), near.seen().len()), (1, 1));
}

#[tokio::test]
async fn a_bad_proxy_is_an_error_of_the_settings() {
    let mut settings = quick("http://model.example/v1");
    settings.network.https_proxy = Some(Secret::new("gopher://me:canary@host"));
    let error = call(&settings, &question()).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Configuration);
    assert!(error.message.contains("HTTPS_PROXY") && !format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn a_record_holds_the_call_without_the_key() {
    let directory = tempfile::TempDir::new().unwrap();
    let body = format!(": canary-key-4711\n\n{PIECE}{DONE}");
    let server = Server::start(vec![answer(
        "200 OK",
        "content-type: text/event-stream\r\nset-cookie: secret\r\nx-request-id: r7\r\n",
        &body,
    )])
    .await;
    let mut settings = settings(&server.url, Protocol::ChatCompletions);
    settings.record = Some(directory.path().join("calls"));
    call(&settings, &question()).await.0.unwrap();
    let file = fs::read_dir(directory.path().join("calls")).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(file.path()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["request"]["method"], "POST");
    assert_eq!(lines[0]["request"]["path"], "/v1/chat/completions");
    assert_eq!(lines[0]["request"]["body"]["model"], "m");
    assert_eq!(lines[1]["response"]["status"], 200);
    assert_eq!(lines[1]["response"]["content_type"], "text/event-stream");
    assert_eq!(lines[1]["response"]["headers"], serde_json::json!({"x-request-id": "r7"}));
    let pieces = lines[2..].iter().map(|line| {
        assert!(line["ms"].is_u64());
        base64::prelude::BASE64_STANDARD.decode(line["data"].as_str().unwrap()).unwrap()
    });
    let recorded = String::from_utf8(pieces.collect::<Vec<_>>().concat()).unwrap();
    assert_eq!(recorded, body.replace(KEY, "[key]"));
    assert!(!text.contains(KEY));
}

#[tokio::test]
async fn a_record_that_cannot_be_written_stops_the_call() {
    let server = Server::start(vec![stream(PIECE)]).await;
    let mut settings = quick(&server.url);
    settings.record = Some("/proc/no-directory".into());
    let error = call(&settings, &question()).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Configuration);
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn the_key_is_a_header_of_every_request() {
    let list = answer("200 OK", "", "{\"data\":[{\"id\":\"b\"},{\"id\":\"models/a\"}]}");
    let server = Server::start(vec![list]).await;
    let models = list_models(&settings(&server.url, Protocol::ChatCompletions)).await.unwrap();
    assert_eq!(models, ["a", "b"]);
    let head = server.seen().remove(0).head;
    assert!(
        head.starts_with("get /v1/models http/1.1") && head.contains("authorization: bearer canary-key-4711"),
        "{head}"
    );
}

#[tokio::test]
async fn a_list_of_another_form_is_a_bad_answer() {
    let server = Server::start(vec![answer("200 OK", "", "<html>")]).await;
    let error = list_models(&settings(&server.url, Protocol::ChatCompletions)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::BadAnswer);
}
