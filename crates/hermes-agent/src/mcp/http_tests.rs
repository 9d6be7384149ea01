//! Servers that speak HTTP, in this process.

use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::super::connection::Connection;
use super::super::lines::Cause;
use super::super::result::text_of;
use super::super::server::Server;
use super::*;
use crate::settings::{McpAddress, McpServer};

/// The answer to a message: the status with headers, and the body. `None` answers as a good server does.
type Answer = Box<dyn Fn(&Value) -> Option<(String, String)> + Send + Sync>;

/// An HTTP server. It ends with the test.
struct Site {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&heads), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&seen)));
            }
        });
        Self { address, heads, task }
    }

    async fn good() -> Self {
        Self::start(Box::new(|_| None)).await
    }

    fn server(&self, path: &str) -> Server {
        let url = Secret::new(format!("http://{}{path}", self.address));
        let headers = BTreeMap::from([("Authorization".to_owned(), Secret::new("Bearer canary-1"))]);
        let settings = McpServer {
            name: "site".to_owned(),
            address: McpAddress::Http { url: url.clone(), shown: String::new(), headers: headers.clone() },
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            enabled: true,
            include: None,
            exclude: Vec::new(),
            secrets: vec![Secret::new("canary-1"), Secret::new("key=canary-2")],
        };
        let start = move || -> futures_util::future::BoxFuture<'static, _> {
            let transport = transport(&url, &headers, &Network::default());
            Box::pin(async move { Connection::begin(transport?, Cause::default()).await })
        };
        Server::new(settings, Box::new(start))
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Answer>, seen: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.clone(), serde_json::from_str(body).unwrap_or_default());
        }
    };
    seen.lock().unwrap().push(head.clone());
    let (status, text) = answer(&body).unwrap_or_else(|| good(&head, &body));
    let length = text.len();
    let answer = format!("HTTP/1.1 {status}content-length: {length}\r\nconnection: close\r\n\r\n{text}");
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// A good server answers `initialize` with JSON, and other requests with a stream.
fn good(head: &str, message: &Value) -> (String, String) {
    let reply = |result: Value| json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    let stream = |result: Value| {
        ("200 OK\r\ncontent-type: text/event-stream\r\n".to_owned(), format!("data: {}\n\n", reply(result)))
    };
    match message["method"].as_str() {
        Some("initialize") => {
            let server = json!({"name": "site", "version": "2"});
            let result =
                json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": server});
            let status = "200 OK\r\ncontent-type: application/json\r\nmcp-session-id: s1\r\n";
            (status.to_owned(), reply(result).to_string())
        }
        Some("tools/list") => stream(json!({"tools": [{"name": "a", "inputSchema": {"type": "object"}}]})),
        Some("tools/call") => stream(json!({"content": [{"type": "text", "text": "the result"}]})),
        _ if head.starts_with("get") => ("405 Method Not Allowed\r\n".to_owned(), String::new()),
        _ => ("202 Accepted\r\n".to_owned(), String::new()),
    }
}

#[tokio::test]
async fn tools_are_listed_and_called_with_the_headers() {
    let site = Site::good().await;
    let server = site.server("/mcp?key=canary-2");
    let (tools, name) = server.tools().await.unwrap();
    assert_eq!((tools.len(), name.as_deref()), (1, Some("site 2")));
    let result = server.call("a", serde_json::Map::new()).await.unwrap();
    assert_eq!(text_of(&result), "the result");
    let heads = site.heads();
    assert!(heads.iter().all(|head| head.contains("authorization: bearer canary-1")), "{heads:?}");
    assert!(heads[1..].iter().all(|head| head.contains("mcp-session-id: s1")), "{heads:?}");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_refused() {
    let other = Site::good().await;
    let location = format!("307 Temporary Redirect\r\nlocation: http://{}/mcp\r\n", other.address);
    let site = Site::start(Box::new(move |_| Some((location.clone(), String::new())))).await;
    let error = site.server("/mcp?key=canary-2").tools().await.unwrap_err().to_string();
    assert!(error.contains("the server redirects to another host") && !error.contains("canary"), "{error}");
    assert_eq!(other.heads(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let moved = std::sync::atomic::AtomicBool::new(false);
    let first = move |_: &Value| {
        let is_first = !moved.swap(true, std::sync::atomic::Ordering::Relaxed);
        is_first.then(|| ("307 Temporary Redirect\r\nlocation: /new\r\n".to_owned(), String::new()))
    };
    let site = Site::start(Box::new(first)).await;
    assert_eq!(site.server("/mcp").tools().await.unwrap().0.len(), 1);
    assert!(site.heads()[1].starts_with("post /new "), "{:?}", site.heads());
}

#[tokio::test]
async fn failures_are_errors_without_secrets() {
    for (status, body, expected) in [
        ("401 Unauthorized\r\ncontent-type: text/plain\r\n", "canary-1 is wrong", "401"),
        ("500 Internal Server Error\r\n", "", "500"),
        ("200 OK\r\ncontent-type: text/html\r\n", "<html>", "text/html"),
        ("200 OK\r\ncontent-type: application/json\r\n", "{\"half\":", ""),
        ("200 OK\r\ncontent-type: text/event-stream\r\n", "data: {}\n\n", ""),
    ] {
        let answer = (status.to_owned(), body.to_owned());
        let site = Site::start(Box::new(move |_| Some(answer.clone()))).await;
        let error = site.server("/mcp?key=canary-2").tools().await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("canary"), "{status}: {error}");
    }
    let site = Site::good().await;
    let server = site.server("/mcp?key=canary-2");
    drop(site);
    let error = server.tools().await.unwrap_err().to_string();
    assert!(!error.contains("canary"), "{error}");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let answer = ("200 OK\r\ncontent-type: application/json\r\n".to_owned(), " ".repeat(LINE_MAX + 1));
    let site = Site::start(Box::new(move |_| Some(answer.clone()))).await;
    let error = site.server("/mcp").tools().await.unwrap_err();
    assert!(matches!(error, McpError::Protocol(_)), "{error}");
}
