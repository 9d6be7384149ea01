//! Servers that break the protocol, over a pipe in this process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf,
};

use super::connection::{Connection, LISTED_MAX};
use super::error::McpError;
use super::lines::{Input, Lines, Pipes};
use super::result::text_of;
use super::server::Server;
use crate::settings::{McpAddress, McpServer, Secret};

struct Output(ReadHalf<DuplexStream>);

impl Pipes for Output {
    fn read<'a>(&'a mut self, piece: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>> {
        Box::pin(self.0.read(piece))
    }

    fn cause(&mut self) -> BoxFuture<'_, String> {
        Box::pin(async { "it exited with code 7".to_owned() })
    }
}

impl Input for WriteHalf<DuplexStream> {
    fn write(&mut self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.write_all(&bytes).await })
    }
}

/// The answer of a fake server to a request: text that it writes. `None` ends it.
type Answer = fn(&str, &Value) -> Option<String>;

/// A server in this process, with the number of its starts.
fn server(answer: Answer) -> (Server, Arc<AtomicUsize>) {
    let settings = McpServer {
        name: "fake".to_owned(),
        address: McpAddress::Stdio { command: vec!["fake".to_owned()], env: Default::default() },
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(7),
        enabled: true,
        include: None,
        exclude: Vec::new(),
        secrets: vec![Secret::new("canary-1")],
    };
    let starts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&starts);
    let start = move || -> BoxFuture<'static, Result<Connection, McpError>> {
        counted.fetch_add(1, Ordering::Relaxed);
        let (own, other) = tokio::io::duplex(64 << 10);
        tokio::spawn(serve(other, answer));
        let (output, input) = tokio::io::split(own);
        let lines = Lines::new(Output(output), input);
        let cause = lines.cause();
        Box::pin(Connection::begin(lines, cause))
    };
    (Server::new(settings, Box::new(start)), starts)
}

async fn serve(stream: DuplexStream, answer: Answer) {
    let (output, mut input) = tokio::io::split(stream);
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let request: Value = serde_json::from_str(&line).unwrap();
        if request.get("id").is_none() {
            continue;
        }
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        let Some(text) = answer(&method, &request) else { return };
        if input.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn reply(request: &Value, result: Value) -> Option<String> {
    Some(format!("{}\n", json!({"jsonrpc": "2.0", "id": request["id"], "result": result})))
}

fn greet(request: &Value) -> Option<String> {
    let server = json!({"name": "fake", "version": "1"});
    reply(
        request,
        json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": server}),
    )
}

/// A server that behaves: `echo` returns its arguments, `refuse` fails, `die` ends it, `sleep` never answers.
fn good(method: &str, request: &Value) -> Option<String> {
    let schema = json!({"type": "object"});
    match method {
        "initialize" => greet(request),
        "tools/list" => reply(request, json!({"tools": [{"name": "echo", "inputSchema": schema}]})),
        _ => match request["params"]["name"].as_str() {
            Some("die") => None,
            Some("sleep") => Some(String::new()),
            Some("refuse") => Some(format!(
                "{}\n",
                json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32602, "message": "no: canary-1"}})
            )),
            _ => {
                let text = request["params"]["arguments"].to_string();
                reply(request, json!({"content": [{"type": "text", "text": text}]}))
            }
        },
    }
}

async fn call(server: &Server, tool: &str) -> Result<String, McpError> {
    let arguments = json!({"a": 1}).as_object().unwrap().clone();
    server.call(tool, arguments).await.map(|result| text_of(&result))
}

async fn tools_of(answer: Answer) -> Result<usize, McpError> {
    server(answer).0.tools().await.map(|(tools, _)| tools.len())
}

#[tokio::test(start_paused = true)]
async fn tools_are_listed_and_called() {
    let (server, starts) = server(good);
    let (tools, name) = server.tools().await.unwrap();
    assert_eq!((tools[0].name.as_ref(), name.as_deref()), ("echo", Some("fake 1")));
    assert_eq!(call(&server, "echo").await.unwrap(), r#"{"a":1}"#);
    assert_eq!(call(&server, "refuse").await, Err(McpError::Refused("no: [secret]".to_owned())));
    assert_eq!(starts.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_starts_again_after_a_back_off() {
    let (server, starts) = server(good);
    let began = tokio::time::Instant::now();
    for failure in 0..3 {
        assert_eq!(
            call(&server, "die").await,
            Err(McpError::Ended("it exited with code 7".to_owned())),
            "{failure}"
        );
    }
    assert_eq!(began.elapsed().as_secs(), 3, "1 s and 2 s of back-off");
    assert_eq!(call(&server, "echo").await.unwrap(), r#"{"a":1}"#);
    assert_eq!((began.elapsed().as_secs(), starts.load(Ordering::Relaxed)), (7, 4));
    for _ in 0..3 {
        let _ = call(&server, "die").await;
    }
    assert_eq!(began.elapsed().as_secs(), 10, "an answer ends the back-off");
    let _ = call(&server, "die").await;
    let waits = call(&server, "echo").await.unwrap_err();
    assert!(matches!(waits, McpError::Waits { failures: 4, .. }), "{waits:?}");
    assert!(waits.to_string().contains("last because it exited with code 7"), "{waits}");
}

#[tokio::test(start_paused = true)]
async fn the_back_off_has_a_ceiling() {
    let (server, starts) = server(|_, _| None);
    let mut waited = Duration::ZERO;
    for _ in 0..12 {
        while let Err(McpError::Waits { wait, .. }) = server.tools().await {
            waited = waited.max(wait);
            tokio::time::advance(wait).await;
        }
    }
    assert_eq!(waited.as_secs(), 300);
    assert!(starts.load(Ordering::Relaxed) >= 12);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_with_its_time() {
    let (server, starts) = server(good);
    let silent = Err(McpError::Silent(Duration::from_secs(5)));
    assert_eq!(call(&server, "sleep").await, silent);
    assert_eq!(call(&server, "echo").await.unwrap(), r#"{"a":1}"#);
    assert_eq!(starts.load(Ordering::Relaxed), 1, "one slow call does not end the server");
    for _ in 0..2 {
        assert_eq!(call(&server, "sleep").await, silent);
    }
    call(&server, "echo").await.unwrap();
    assert_eq!(starts.load(Ordering::Relaxed), 2, "two do");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_left_out() {
    let silent = McpError::Silent(Duration::from_secs(7));
    assert_eq!(tools_of(|_, _| Some(String::new())).await, Err(silent.clone()), "initialize");
    let no_list: Answer = |method, request| {
        if method == "initialize" { greet(request) } else { Some(String::new()) }
    };
    assert_eq!(tools_of(no_list).await, Err(silent), "tools/list");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_request_does_not_count() {
    let wrong: Answer = |method, request| match method {
        "initialize" => greet(request),
        _ => reply(&json!({"id": 4711}), json!({"tools": []})),
    };
    assert_eq!(tools_of(wrong).await, Err(McpError::Silent(Duration::from_secs(7))));
}

#[tokio::test(start_paused = true)]
async fn other_lines_of_a_server_are_ignored() {
    let noisy: Answer = |method, request| {
        let note = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}});
        let lines = format!("starting up\n\n{{\"half\": \n{note}\n").repeat(100);
        Some(lines + &good(method, request)?)
    };
    assert_eq!(tools_of(noisy).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_flood_ends_the_connection() {
    let long: Answer = |method, request| match method {
        "initialize" => greet(request),
        _ => Some("x".repeat(5 << 20)),
    };
    assert_eq!(tools_of(long).await, Err(McpError::Ended("it wrote a line of more than 4 MiB".to_owned())));
    let many: Answer = |method, request| match method {
        "initialize" => greet(request),
        _ => Some(format!("{}\n", "x".repeat(1 << 20)).repeat(70)),
    };
    let flood = McpError::Ended("it wrote more than 64 MiB for one request".to_owned());
    assert_eq!(tools_of(many).await, Err(flood));
    let asking: Answer = |method, request| {
        let ping = json!({"jsonrpc": "2.0", "id": "p", "method": "ping"});
        let pings = if method == "tools/list" { format!("{ping}\n").repeat(10_000) } else { String::new() };
        Some(pings + &good(method, request)?)
    };
    assert_eq!(tools_of(asking).await, Ok(1), "the rest of its requests is ignored");
}

#[tokio::test(start_paused = true)]
async fn lies_about_tools_are_errors() {
    let of = |tools: Answer| tools_of(tools);
    let no_object: Answer = |method, request| match method {
        "initialize" => greet(request),
        _ => reply(request, json!({"tools": [{"name": "a", "inputSchema": "none"}]})),
    };
    assert!(matches!(of(no_object).await, Err(McpError::Protocol(_))));
    let endless: Answer = |method, request| match method {
        "initialize" => greet(request),
        _ => reply(request, json!({"tools": [], "nextCursor": "again"})),
    };
    let error = of(endless).await.unwrap_err();
    assert_eq!(error.to_string(), "it broke the protocol: its list of tools has more than 100 pages");
    let too_many: Answer = |method, request| match method {
        "initialize" => greet(request),
        _ => {
            let tool = json!({"name": "a", "inputSchema": {}});
            reply(request, json!({"tools": vec![tool; LISTED_MAX + 1]}))
        }
    };
    let error = of(too_many).await.unwrap_err();
    assert_eq!(error.to_string(), "it broke the protocol: it has more than 10000 tools");
}

#[test]
fn each_part_of_a_result_has_a_text() {
    let of = |value: Value| text_of(&serde_json::from_value(value).unwrap());
    let content = json!([
        {"type": "text", "text": "one"},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "file:///x", "text": "two"}},
        {"type": "resource", "resource": {"uri": "file:///y", "blob": "AAAAAAAA"}},
        {"type": "resource_link", "uri": "file:///z", "name": "z"},
    ]);
    assert_eq!(
        of(json!({ "content": content })),
        "one\n[an image, image/png, 3 bytes, is not shown]\n[file:///x]\ntwo\n[the file file:///y, of unknown type, 6 bytes, is not shown]\n[a link to file:///z]"
    );
    assert_eq!(of(json!({"content": [], "structuredContent": {"a": 1}})), r#"{"a":1}"#);
    assert_eq!(of(json!({"content": []})), "[the result is empty]");
}
