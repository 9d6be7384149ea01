//! The control routes, the limits, and requests that are no requests.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use stand_in::{Options, StandIn};

use crate::raw::{chat, post, raw, send, server, stream};

#[test]
fn requests_are_listed_newest_last_and_cleared() {
    let server = server(&json!([]));
    stream(&server);
    post(&server, "/v1/nothing", &json!({"a": 1}));
    let listed = send(server.address(), "GET", "/requests", "").json();
    assert_eq!(listed, Value::from(server.requests()));
    assert_eq!(listed[0]["body"], chat(true));
    assert_eq!(listed[0]["headers"]["anthropic-version"], "2023-06-01");
    assert_eq!((&listed[1]["path"], &listed[1]["number"]), (&json!("/v1/nothing"), &json!(2)));
    send(server.address(), "DELETE", "/requests", "");
    assert_eq!(server.requests(), [Value::Null; 0]);
}

#[test]
fn a_cancelled_answer_is_noted() {
    let server = server(&json!([{"text": "Hello", "delay_ms": 600_000}]));
    let mut client = TcpStream::connect(server.address()).unwrap();
    let body = chat(true).to_string();
    write!(client, "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    client.read_exact(&mut [0; 10]).unwrap();
    drop(client);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while server.requests()[0]["outcome"] != "closed_by_client" {
        assert!(std::time::Instant::now() < deadline, "{:?}", server.requests());
        std::thread::yield_now();
    }
}

#[test]
fn a_script_is_replaced_or_refused() {
    let server = server(&json!([{"text": "old"}]));
    let refused = send(server.address(), "POST", "/script", r#"[{"tex": "new"}]"#);
    assert_eq!(refused.status(), 400);
    assert!(refused.text().contains("unknown field `tex`"), "{}", refused.text());
    assert_eq!(send(server.address(), "POST", "/script", r#"[{"text": "new"}]"#).status(), 200);
    assert_eq!(stream(&server).streamed_text(), "new");
}

#[test]
fn the_log_has_a_line_for_each_request() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let options = Options { log: Some(log.clone()), ..Options::default() };
    let server = StandIn::start(([127, 0, 0, 1], 0).into(), options).unwrap();
    stream(&server);
    stream(&server);
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["body"], chat(true));
}

#[test]
fn usage_is_streamed_on_request_only() {
    let server = server(&json!([]));
    assert!(!stream(&server).text().contains("usage"));
    let mut body = chat(true);
    body["stream_options"] = json!({"include_usage": true});
    let text = post(&server, "/v1/chat/completions", &body).text();
    let last = text.lines().rfind(|line| line.starts_with("data: {")).unwrap();
    assert!(last.contains(r#""choices":[]"#) && last.contains("prompt_tokens"), "{last}");
}

#[test]
fn a_chunked_request_is_read() {
    let server = server(&json!([]));
    let body = chat(false).to_string();
    let (one, two) = body.split_at(7);
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         {:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    assert_eq!(raw(server.address(), request.as_bytes()).status(), 200);
    assert_eq!(server.requests()[0]["body"], chat(false));
}

#[test]
fn one_connection_has_many_requests() {
    let server = server(&json!([]));
    let request = "GET /v1/models HTTP/1.1\r\n\r\n".repeat(2) + "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
    let answer = raw(server.address(), request.as_bytes());
    let rest = String::from_utf8(answer.raw_body).unwrap();
    assert_eq!(rest.matches("HTTP/1.1 200 OK").count(), 2, "{rest}");
}

#[test]
fn large_bodies_and_no_http_are_refused() {
    let server = server(&json!([]));
    let large = "POST /v1/messages HTTP/1.1\r\ncontent-length: 67108865\r\n\r\n";
    assert_eq!(raw(server.address(), large.as_bytes()).status(), 413);
    assert_eq!(raw(server.address(), b"hello\r\n\r\n").status(), 400);
    assert_eq!(post(&server, "/v1/chat/completions", &json!("no object")).status(), 400);
}
