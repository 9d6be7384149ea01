//! A gateway of a test on a Unix socket: answers by a table, and records its requests.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;

/// A request that the gateway got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    /// The method and the path with its query.
    pub(super) line: String,
    pub(super) key: String,
    pub(super) body: Value,
}

/// The gateway. It ends with the test.
pub(super) struct FakeGateway {
    table: Table,
    got: Arc<Mutex<Vec<Got>>>,
    frames: broadcast::Sender<String>,
}

type Table = Arc<Mutex<Vec<(String, u16, Value)>>>;

impl FakeGateway {
    /// Starts a gateway without sessions.
    pub(super) fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (table, got): (Table, Arc<Mutex<Vec<Got>>>) = (Arc::default(), Arc::default());
        let (frames, _) = broadcast::channel(64);
        let fake = Self { table: Arc::clone(&table), got: Arc::clone(&got), frames: frames.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&table), Arc::clone(&got), frames.subscribe()));
            }
        });
        fake.set("GET /api/approvals", 200, json!({"data": []}));
        fake.set("GET /v1/runs?", 200, json!({"data": []}));
        fake.set("GET /api/sessions?", 200, json!({"data": []}));
        fake
    }

    /// Answers requests whose method and path begin with `begin`. The latest rule counts.
    pub(super) fn set(&self, begin: &str, status: u16, body: Value) {
        self.table.lock().unwrap().push((begin.to_owned(), status, body));
    }

    /// Gives the gateway one session with these messages.
    pub(super) fn set_session(&self, session: &Value, messages: &Value) {
        self.set("GET /api/sessions?", 200, json!({ "data": [session] }));
        let path = format!("GET /api/sessions/{}/messages", session["id"].as_str().unwrap());
        self.set(&path, 200, json!({ "data": messages }));
    }

    /// Sends a frame to all readers of events. An empty one ends the streams.
    pub(super) fn send(&self, frame: &str) {
        self.frames.send(frame.to_owned()).unwrap();
    }

    /// Returns the requests whose method and path begin with `begin`.
    pub(super) fn got(&self, begin: &str) -> Vec<Got> {
        self.got.lock().unwrap().iter().filter(|got| got.line.starts_with(begin)).cloned().collect()
    }
}

async fn answer(
    mut stream: UnixStream,
    table: Table,
    got: Arc<Mutex<Vec<Got>>>,
    mut frames: broadcast::Receiver<String>,
) -> Option<()> {
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|&count| count > 0)?;
        read.extend_from_slice(&piece[..count]);
    };
    let head = String::from_utf8(read[..head_end].to_vec()).ok()?;
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.to_owned())
    };
    let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = read[head_end..].to_vec();
    while body.len() < length {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|&count| count > 0)?;
        body.extend_from_slice(&piece[..count]);
    }
    let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let key = field("authorization").unwrap_or_default();
    let rule = table.lock().unwrap().iter().rev().find(|(begin, ..)| line.starts_with(begin)).cloned();
    let is_stream = line.ends_with("/events");
    got.lock().unwrap().push(Got { line, key, body });
    if is_stream && rule.is_none() {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await.ok()?;
        while let Ok(frame) = frames.recv().await {
            if frame.is_empty() {
                break;
            }
            stream.write_all(frame.as_bytes()).await.ok()?;
        }
        return None;
    }
    let (_, status, body) = rule.unwrap_or_else(|| {
        (String::new(), 404, json!({"error": {"code": "not_found", "message": "no such path"}}))
    });
    let body = body.to_string();
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.ok()
}
