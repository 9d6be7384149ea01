//! Reads requests of HTTP/1.1 (RFC 9112) from a socket.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// The longest body of a request, in bytes.
const LONGEST_BODY: usize = 64 * 1024 * 1024;
/// The time that a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path without its query.
    pub(crate) path: String,
    /// Names in lower case, in the order of the request.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Returns the first header of this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Returns `true` if the client wants no further request on this connection.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// The reason why no request was read.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The client closed the connection, or was idle too long.
    Closed,
    /// The request is malformed or too large. The text is a clause.
    Refused(u16, String),
}

impl From<io::Error> for Ending {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// A connection with the bytes that were read ahead.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    ahead: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// Reads the next request.
    pub(crate) async fn request(&mut self) -> Result<Request, Ending> {
        let end = self.find(0, b"\r\n\r\n", LONGEST_HEAD, 431).await?;
        let head = self.take(end + 4);
        let mut request = parse_head(&head).map_err(|reason| Ending::Refused(400, reason))?;
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let is_chunked =
            request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        request.body = if is_chunked {
            self.chunks().await?
        } else {
            let length = match request.header("content-length") {
                Some(text) => text.parse().map_err(|_| malformed("the content-length is no number"))?,
                None => 0,
            };
            if length > LONGEST_BODY {
                return Err(too_large());
            }
            self.fill(length).await?;
            self.take(length)
        };
        Ok(request)
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Ending> {
        let mut body = Vec::new();
        loop {
            let end = self.find(0, b"\r\n", LONGEST_HEAD, 400).await?;
            let line = self.take(end + 2);
            let size = std::str::from_utf8(&line).ok().and_then(|line| line.split(';').next());
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or_else(|| malformed("the size of a chunk is no hexadecimal number"))?;
            if size > LONGEST_BODY - body.len() {
                return Err(too_large());
            }
            if size == 0 {
                // Trailers end with an empty line.
                loop {
                    let end = self.find(0, b"\r\n", LONGEST_HEAD, 400).await?;
                    if self.take(end + 2).len() == 2 {
                        return Ok(body);
                    }
                }
            }
            self.fill(size + 2).await?;
            body.extend(self.take(size));
            if self.take(2) != b"\r\n" {
                return Err(malformed("a chunk is longer than its size"));
            }
        }
    }

    /// Reads until the pattern is there, and returns its position.
    async fn find(
        &mut self,
        from: usize,
        pattern: &[u8],
        limit: usize,
        status: u16,
    ) -> Result<usize, Ending> {
        let mut from = from;
        loop {
            let window = self.ahead.get(from..).unwrap_or_default();
            if let Some(at) = window.windows(pattern.len()).position(|bytes| bytes == pattern) {
                return Ok(from + at);
            }
            if self.ahead.len() > limit {
                return Err(Ending::Refused(status, "the head of the request is too long".into()));
            }
            from = self.ahead.len().saturating_sub(pattern.len() - 1);
            self.read().await?;
        }
    }

    /// Reads until this number of bytes is there.
    async fn fill(&mut self, length: usize) -> Result<(), Ending> {
        while self.ahead.len() < length {
            self.read().await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Ending> {
        match timeout(IDLE, self.stream.read_buf(&mut self.ahead)).await {
            Ok(Ok(length)) if length > 0 => Ok(()),
            _ => Err(Ending::Closed),
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.ahead.split_off(length);
        std::mem::replace(&mut self.ahead, rest)
    }
}

fn malformed(reason: &str) -> Ending {
    Ending::Refused(400, reason.to_owned())
}

fn too_large() -> Ending {
    Ending::Refused(413, format!("the body is over {} MB", LONGEST_BODY / 1024 / 1024))
}

/// Parses the first line and the headers. An error is a clause.
fn parse_head(head: &[u8]) -> Result<Request, String> {
    let text = std::str::from_utf8(head).map_err(|_| "the head of the request is no UTF-8")?;
    let mut lines = text.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = first[..] else {
        return Err("the first line is no request of HTTP/1.1".into());
    };
    let mut headers = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or("a header has no colon")?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let path = target.split('?').next().unwrap_or_default().to_owned();
    Ok(Request { method: method.to_owned(), path, headers, body: Vec::new() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_head_has_method_path_and_headers() {
        let request = parse_head(b"GET /v1/models?a=b HTTP/1.1\r\nHost: x\r\nX-Key:  1 \r\n\r\n").unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/models"));
        assert_eq!(request.header("x-key"), Some("1"));
    }

    #[rstest]
    #[case::no_version(b"GET /\r\n\r\n")]
    #[case::http_2(b"PRI * HTTP/2.0\r\n\r\n")]
    #[case::no_colon(b"GET / HTTP/1.1\r\nHost\r\n\r\n")]
    #[case::no_text(b"GET /\xff HTTP/1.1\r\n\r\n")]
    fn malformed_heads_are_refused(#[case] head: &[u8]) {
        assert!(parse_head(head).is_err());
    }

    proptest! {
        #[test]
        fn any_head_is_parsed_or_refused(head: Vec<u8>) {
            if let Ok(request) = parse_head(&head) {
                prop_assert!(!request.path.contains('?'));
            }
        }
    }
}
