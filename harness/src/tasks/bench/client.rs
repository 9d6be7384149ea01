//! A client of the API: it notes the time of each piece of a streamed answer.
//!
//! One request, one connection, HTTP/1.0: the answer ends with the connection. The stand-in sends the sizes of chunks all
//! the same. They stand on lines of their own, and the client skips them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hermes_harness::probe::{Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest answer.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server of the API.
#[derive(Debug, Clone)]
pub(super) struct Client {
    address: SocketAddr,
    key: Option<String>,
}

/// A piece of an answer.
#[derive(Debug)]
pub(super) struct Piece {
    /// The time since the request began.
    pub(super) after: Duration,
    /// The time on the clock of the stand-in's stamps, in nanoseconds.
    pub(super) at: u64,
    pub(super) text: String,
}

/// The meaning of a line of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Text(String),
    Error(String),
    Done,
    Other,
}

impl Client {
    /// Makes a client of this server. `key` is the key of a gateway.
    pub(super) fn new(address: SocketAddr, key: Option<String>) -> Self {
        Self { address, key }
    }

    /// Posts a body, and returns the answer.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let what = format!("failed to post to {path} of {}", self.address);
        let bytes = timeout(DEADLINE, self.exchange(path, body)).await.context(what.clone())??;
        let response = Response::parse(&bytes).with_context(|| format!("{what}: its head is incomplete"))?;
        ensure!(response.status < 300, "{what}: status {}: {}", response.status, response.text());
        // The stand-in is asked for streams alone, so no body has chunks.
        serde_json::from_slice(&response.body).context(what)
    }

    /// Asks for a streamed answer to these messages. Returns its pieces after its complete end.
    pub(super) async fn stream(&self, messages: &Value, session: Option<&str>) -> Result<Vec<Piece>> {
        let body = json!({"model": "stand-in", "stream": true, "messages": messages});
        let body = if self.key.is_some() { without_model(body) } else { body };
        let session = session.map(|id| ("x-hermes-session-id", id));
        let streamed = timeout(DEADLINE, self.pieces(&body, session.as_slice())).await;
        streamed
            .unwrap_or_else(|_| bail!("no end came within {} s", DEADLINE.as_secs()))
            .with_context(|| format!("failed to stream an answer of {}", self.address))
    }

    /// Follows the events of a run to its end. Returns the pieces of its answer.
    pub(super) async fn run_events(&self, path: &str) -> Result<Vec<Piece>> {
        let followed = timeout(DEADLINE, self.deltas(path)).await;
        followed
            .unwrap_or_else(|_| bail!("no end came within {} s", DEADLINE.as_secs()))
            .with_context(|| format!("failed to follow {path} of {}", self.address))
    }

    async fn deltas(&self, path: &str) -> Result<Vec<Piece>> {
        let began = Instant::now();
        let mut lines = BufReader::new(self.begin(Request::get(path), &[]).await?).lines();
        let status = lines.next_line().await?.context("no head came")?;
        ensure!(status.contains(" 200 "), "{status}");
        let (mut event, mut pieces) = (String::new(), Vec::new());
        while let Some(line) = lines.next_line().await? {
            let (after, at) = (began.elapsed(), stand_in::stamp_clock());
            if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data: ") {
                match event.as_str() {
                    "assistant.delta" => {
                        let data: Value = serde_json::from_str(data)?;
                        let text = data["delta"].as_str().unwrap_or_default().to_owned();
                        pieces.push(Piece { after, at, text });
                    }
                    "run.completed" => return Ok(pieces),
                    "run.failed" => bail!("the run failed: {data}"),
                    _ => {}
                }
            }
        }
        bail!("the events ended after {} pieces", pieces.len())
    }

    async fn exchange(&self, path: &str, body: &Value) -> Result<Vec<u8>> {
        let mut connection = self.send(path, body, &[]).await?;
        let mut bytes = Vec::new();
        connection.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn pieces(&self, body: &Value, headers: &[(&str, &str)]) -> Result<Vec<Piece>> {
        let began = Instant::now();
        let mut lines = BufReader::new(self.send("/v1/chat/completions", body, headers).await?).lines();
        let status = lines.next_line().await?.context("no head came")?;
        let is_success = status.contains(" 200 ");
        let mut pieces = Vec::new();
        while let Some(line) = lines.next_line().await? {
            let (after, at) = (began.elapsed(), stand_in::stamp_clock());
            if !is_success {
                if line.starts_with('{') {
                    bail!("{status}: {line}");
                }
                continue;
            }
            match Line::parse(&line) {
                Line::Text(text) => pieces.push(Piece { after, at, text }),
                Line::Error(error) => bail!("an error came: {error}"),
                Line::Done => return Ok(pieces),
                Line::Other => {}
            }
        }
        bail!("the answer ended after {} pieces: {status}", pieces.len())
    }

    async fn send(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Result<TcpStream> {
        self.begin(Request::post(path).json(&body.to_string()), headers).await
    }

    async fn begin(&self, mut request: Request, headers: &[(&str, &str)]) -> Result<TcpStream> {
        if let Some(key) = &self.key {
            request = request.header("authorization", &format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut connection = TcpStream::connect(self.address).await.context("failed to connect")?;
        connection.set_nodelay(true)?;
        connection.write_all(&request.to_bytes(&self.address.to_string())).await?;
        Ok(connection)
    }
}

/// Removes the model: a gateway has one of its own.
fn without_model(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("model");
    }
    body
}

impl Line {
    fn parse(line: &str) -> Self {
        let Some(data) = line.strip_prefix("data: ") else { return Self::Other };
        if data.trim_end() == "[DONE]" {
            return Self::Done;
        }
        let Ok(chunk) = serde_json::from_str::<Value>(data) else { return Self::Other };
        if let Some(error) = chunk.get("error") {
            return Self::Error(error.to_string());
        }
        match chunk["choices"][0]["delta"]["content"].as_str() {
            None | Some("") => Self::Other,
            Some(text) => Self::Text(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_stream_have_one_meaning() {
        let text = Line::Text("Hi".into());
        assert_eq!(Line::parse(r#"data: {"choices":[{"delta":{"content":"Hi"}}]}"#), text);
        assert_eq!(
            Line::parse(r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#),
            Line::Other
        );
        assert_eq!(Line::parse(r#"data: {"choices":[],"usage":{}}"#), Line::Other);
        assert_eq!(Line::parse(r#"data: {"error":"late"}"#), Line::Error("\"late\"".into()));
        assert_eq!(Line::parse("data: [DONE]"), Line::Done);
        for line in ["1f", "", ": keep-alive", "event: ping"] {
            assert_eq!(Line::parse(line), Line::Other, "{line}");
        }
    }
}
