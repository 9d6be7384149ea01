//! A server that plays scripted answers and keeps the requests.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A step of an answer.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends these bytes at once.
    Send(Vec<u8>),
    /// Sends nothing until the client closes the connection.
    Stall,
    /// Resets the connection.
    Reset,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The first line and the headers, in small letters.
    pub(super) head: String,
    /// The body.
    pub(super) body: Vec<u8>,
}

impl Seen {
    /// Returns the body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A server that gives each script to one connection, in order. The last script repeats.
#[derive(Debug)]
pub(super) struct Server {
    /// The base URL.
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    closed: Option<oneshot::Receiver<()>>,
}

impl Server {
    pub(super) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sender, closed) = oneshot::channel();
        let requests = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut sender = Some(sender);
            let mut place = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read_request(&mut stream).await else { continue };
                requests.lock().unwrap().push(request);
                let script = &scripts[place.min(scripts.len() - 1)];
                place += 1;
                play(stream, script, &mut sender).await;
            }
        });
        Self { url, seen, closed: Some(closed) }
    }

    /// Returns the requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the client closed a connection that stalls.
    pub(super) async fn closed(mut self) {
        self.closed.take().unwrap().await.unwrap();
    }
}

/// Returns an answer with a status and a body, whose end is the end of the connection.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n");
    vec![Step::Send(head.into_bytes()), Step::Send(body.as_bytes().to_vec())]
}

/// Returns a stream of events with status 200.
pub(super) fn stream(body: &str) -> Vec<Step> {
    answer("200 OK", "content-type: text/event-stream\r\n", body)
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        if bytes.len() >= end + 4 + length {
            return Some(Seen { head, body: bytes[end + 4..].to_vec() });
        }
    }
}

async fn play(mut stream: TcpStream, script: &[Step], closed: &mut Option<oneshot::Sender<()>>) {
    stream.set_nodelay(true).unwrap();
    for step in script {
        match step {
            // The client may close at any moment.
            Step::Send(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            Step::Stall => {
                let _ = stream.read(&mut [0; 16]).await;
                if let Some(sender) = closed.take() {
                    let _ = sender.send(());
                }
                return;
            }
            Step::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
        }
    }
    let _ = stream.shutdown().await;
}
