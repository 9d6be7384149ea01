//! A model server of Chat Completions in threads of the test. The last message of a request selects the answer.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::gateway::{DEADLINE, TestHome, coder};

/// The model server.
pub(crate) struct FakeModel {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Value>>,
    is_open: Mutex<bool>,
    opened: Condvar,
    aborted: AtomicUsize,
}

impl FakeModel {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&served);
                thread::spawn(move || shared.serve(stream.unwrap()));
            }
        });
        Self { port, shared }
    }

    /// Makes this server the model of the profile `coder`.
    pub(crate) fn configure(&self, home: &TestHome, more: &str) {
        let text = format!(
            "OPENAI_API_KEY=test-provider-key\nOPENAI_BASE_URL=http://127.0.0.1:{}/v1\nHERMES_MODEL=fake-model\n{more}",
            self.port
        );
        fs::write(home.home.dot_env(&coder()), text).unwrap();
    }

    /// Returns the bodies of all requests.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Returns the number of answers whose client went away.
    pub(crate) fn aborted(&self) -> usize {
        self.shared.aborted.load(Ordering::Relaxed)
    }

    /// Lets the answers to `wait` end.
    pub(crate) fn open(&self) {
        *self.shared.is_open.lock().unwrap() = true;
        self.shared.opened.notify_all();
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        self.requests.lock().unwrap().push(request.clone());
        let last = request["messages"].as_array().unwrap().last().unwrap();
        let text = last["content"].as_str().unwrap_or("hi").to_owned();
        self.answer(stream, &text);
    }

    fn answer(&self, mut stream: TcpStream, text: &str) {
        if text == "refuse" {
            let body = r#"{"error":{"message":"bad request of a test","type":"invalid_request_error"}}"#;
            let head = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
            return;
        }
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
        let mut send = |delta: Value, finish: Option<&str>| {
            let chunk = json!({
                "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "fake-model",
                "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
            });
            stream.write_all(format!("data: {chunk}\n\n").as_bytes())
        };
        let _ = send(json!({ "role": "assistant", "content": "" }), None);
        if text == "ask" {
            let arguments = r#"{"question":"Which colour?","choices":["red","blue"]}"#;
            let function = json!({ "name": "clarify", "arguments": arguments });
            let call = json!({ "index": 0, "id": "c1", "type": "function", "function": function });
            let _ = send(json!({ "tool_calls": [call] }), None);
            let _ = send(json!({}), Some("tool_calls"));
            let _ = stream.write_all(b"data: [DONE]\n\n");
            return;
        }
        let _ = send(json!({ "content": "Hello" }), None);
        if text == "wait" && self.is_gone(&mut send) {
            self.aborted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let _ = send(json!({ "content": format!(" {text}") }), None);
        let finish = if text == "long" { "length" } else { "stop" };
        let _ = send(json!({}), Some(finish));
        let usage = json!({
            "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "fake-model", "choices": [],
            "usage": { "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 },
        });
        let _ = stream.write_all(format!("data: {usage}\n\ndata: [DONE]\n\n").as_bytes());
    }

    /// Waits until the test lets the answer end. Returns `true` if the client went away before.
    fn is_gone(&self, send: &mut dyn FnMut(Value, Option<&str>) -> std::io::Result<()>) -> bool {
        let step = Duration::from_millis(5);
        let mut is_open = self.is_open.lock().unwrap();
        for _ in 0..DEADLINE.as_millis() / step.as_millis() {
            if *is_open {
                return false;
            }
            is_open = self.opened.wait_timeout(is_open, step).unwrap().0;
            if send(json!({ "content": "." }), None).is_err() {
                return true;
            }
        }
        panic!("nobody let the answer end");
    }
}
