//! A small model server for one test: it lists two models and answers each question.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// A server at its base URL, until the end of the test process.
pub(crate) struct ModelServer {
    pub(crate) base_url: String,
    requests: Receiver<String>,
}

/// The key that the server takes.
pub(crate) const KEY: &str = "sk-canary-4711";

impl ModelServer {
    /// Starts a server that takes [`KEY`] only.
    pub(crate) fn new() -> Self {
        Self::start(true)
    }

    /// Starts a server without a list of models. Its other answers stay.
    pub(crate) fn without_list() -> Self {
        Self::start(false)
    }

    fn start(has_list: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                answer(client, has_list, &sender);
            }
        });
        Self { base_url, requests }
    }

    /// Returns the first line of each request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }
}

fn answer(mut client: TcpStream, has_list: bool, requests: &Sender<String>) {
    let Some(request) = read(&mut client) else { return };
    let first = request.lines().next().unwrap_or_default().to_owned();
    let _ = requests.send(first.clone());
    let has_key = request.to_lowercase().contains(&format!("authorization: bearer {KEY}"));
    let (status, kind, body) = if !has_key {
        ("401 Unauthorized", "application/json", r#"{"error":{"message":"Incorrect API key"}}"#)
    } else if first.starts_with("GET /v1/models ") && has_list {
        ("200 OK", "application/json", r#"{"data":[{"id":"big"},{"id":"small:latest"}]}"#)
    } else if first.starts_with("POST /v1/chat/completions ") {
        let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ready.\"},\"finish_reason\":\"stop\"}]}\n\n\
                    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
        ("200 OK", "text/event-stream", body)
    } else {
        ("404 Not Found", "application/json", r#"{"error":{"message":"no such path"}}"#)
    };
    let _ = write!(
        client,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// Reads a request with its body.
fn read(client: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
