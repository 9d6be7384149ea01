//! A client that sends a request and keeps each byte of the answer.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use stand_in::{Options, Script, StandIn};

/// The time after which a silent server counts as stalled.
const STALLED: Duration = Duration::from_secs(10);

/// The end of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
    Stalled,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status line and the headers.
    pub(crate) head: String,
    /// The body, as it came.
    pub(crate) raw_body: Vec<u8>,
    /// The sizes of the reads.
    pub(crate) reads: Vec<usize>,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Returns the body without the frames of the chunked coding.
    pub(crate) fn body(&self) -> Vec<u8> {
        if self.header("transfer-encoding") != Some("chunked") {
            return self.raw_body.clone();
        }
        let mut rest = self.raw_body.as_slice();
        let mut body = Vec::new();
        while let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            let chunk = &rest[end + 2..];
            body.extend_from_slice(&chunk[..size.min(chunk.len())]);
            rest = chunk.get(size + 2..).unwrap_or_default();
        }
        body
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap()
    }

    /// Returns `true` if the chunked body has its last chunk.
    pub(crate) fn is_complete(&self) -> bool {
        self.raw_body.ends_with(b"0\r\n\r\n")
    }

    /// Returns the text of the model in a stream of Chat Completions.
    pub(crate) fn streamed_text(&self) -> String {
        let text = self.text();
        let data =
            text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        let chunks = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
        chunks
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect()
    }
}

/// Starts a server with this script.
#[track_caller]
pub(crate) fn server(script: &Value) -> StandIn {
    let script = Script::parse(&script.to_string()).unwrap();
    StandIn::start(([127, 0, 0, 1], 0).into(), Options { script, ..Options::default() }).unwrap()
}

/// Returns the body of a request of Chat Completions.
pub(crate) fn chat(is_streamed: bool) -> Value {
    json!({"model": "m", "stream": is_streamed, "messages": [{"role": "user", "content": "hi"}]})
}

/// Asks for a streamed answer of Chat Completions.
pub(crate) fn stream(server: &StandIn) -> Answer {
    post(server, "/v1/chat/completions", &chat(true))
}

pub(crate) fn post(server: &StandIn, path: &str, body: &Value) -> Answer {
    send(server.address(), "POST", path, &body.to_string())
}

pub(crate) fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    raw(
        address,
        format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nanthropic-version: 2023-06-01\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}

/// Sends these bytes and reads until the end.
pub(crate) fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(STALLED)).unwrap();
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    let mut reads = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let end = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break End::Closed,
            Ok(length) => {
                reads.push(length);
                bytes.extend_from_slice(&buffer[..length]);
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break End::Stalled,
            Err(error) => panic!("{error}"),
        }
    };
    let head = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let raw_body = bytes.split_off(head);
    Answer { head: String::from_utf8(bytes).unwrap(), raw_body, reads, end }
}
