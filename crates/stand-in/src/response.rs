//! Answers as pieces of bytes, and how they are sent: whole, delayed, cut, stalled or reset.

use std::borrow::Cow;
use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stamp;

/// The time after which a reset follows the last byte. A reset discards bytes that are still under way.
const BEFORE_RESET: Duration = Duration::from_millis(20);
/// The pause after a byte that is sent by itself.
const AFTER_BYTE: Duration = Duration::from_micros(100);
/// The longest stall.
const LONGEST_STALL: Duration = Duration::from_secs(3600);

/// A part of a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    /// The pause before it.
    pub(crate) pause: Duration,
    pub(crate) bytes: Vec<u8>,
    /// The place of the digits that become the time of its sending.
    pub(crate) stamp: Option<usize>,
}

/// The end of an answer that stops early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Sends no further byte, and keeps the connection open.
    Stall,
    /// Resets the connection (RST).
    Reset,
    /// Ends the body as if it were complete.
    End,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The pause before the head.
    pub(crate) pause: Duration,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) pieces: Vec<Piece>,
    /// Sends each piece as a chunk. Else the head has the length.
    pub(crate) is_chunked: bool,
    /// Stops after this number of bytes of the body.
    pub(crate) stop: Option<(usize, Stop)>,
    /// Sends each byte by itself.
    pub(crate) cuts_every_byte: bool,
}

/// The way in which an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it was sent.
    Complete,
    /// The script ended it early.
    Stopped,
    /// The client closed the connection first.
    ClosedByClient,
}

impl Outcome {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::ClosedByClient => "closed_by_client",
        }
    }
}

impl Response {
    /// Returns an answer of one piece.
    pub(crate) fn whole(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            pause: Duration::ZERO,
            status,
            headers: vec![("content-type".into(), content_type.into())],
            pieces: vec![Piece { bytes: body.into(), ..Piece::default() }],
            is_chunked: false,
            stop: None,
            cuts_every_byte: false,
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::whole(status, "application/json", body.to_string())
    }

    /// Returns an answer whose pieces come one after the other.
    pub(crate) fn stream(content_type: &str, pieces: Vec<Piece>) -> Self {
        Self { pieces, is_chunked: true, ..Self::whole(200, content_type, "") }
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    /// Returns the length of the body in bytes.
    pub(crate) fn length(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }

    /// Sends the answer.
    pub(crate) async fn send(&self, stream: &mut TcpStream) -> io::Result<Outcome> {
        if wait(stream, self.pause).await? {
            return Ok(Outcome::ClosedByClient);
        }
        self.write(stream, self.head().as_bytes()).await?;
        let mut left = self.stop.map_or(usize::MAX, |(after, _)| after);
        for piece in &self.pieces {
            if left == 0 {
                break;
            }
            if wait(stream, piece.pause).await? {
                return Ok(Outcome::ClosedByClient);
            }
            let length = piece.bytes.len().min(left);
            left -= length;
            let mut bytes = Cow::Borrowed(piece.bytes.get(..length).unwrap_or_default());
            if bytes.is_empty() {
                continue;
            }
            if let Some(place) = piece.stamp {
                stamp::write(bytes.to_mut(), place);
            }
            if self.is_chunked {
                let mut chunk = format!("{length:x}\r\n").into_bytes();
                chunk.extend_from_slice(&bytes);
                chunk.extend_from_slice(b"\r\n");
                self.write(stream, &chunk).await?;
            } else {
                self.write(stream, &bytes).await?;
            }
        }
        match self.stop {
            Some((_, Stop::Stall)) => {
                let is_closed = wait(stream, LONGEST_STALL).await?;
                return Ok(if is_closed { Outcome::ClosedByClient } else { Outcome::Stopped });
            }
            Some((_, Stop::Reset)) => {
                wait(stream, BEFORE_RESET).await?;
                stream.set_zero_linger()?;
                return Ok(Outcome::Stopped);
            }
            Some((_, Stop::End)) | None => {}
        }
        if self.is_chunked {
            self.write(stream, b"0\r\n\r\n").await?;
        }
        Ok(Outcome::Complete)
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match (self.is_chunked, self.stop) {
            (true, _) => head.push_str("transfer-encoding: chunked\r\n\r\n"),
            (false, Some((after, Stop::End))) => {
                head.push_str(&format!("content-length: {}\r\n\r\n", after.min(self.length())));
            }
            (false, _) => head.push_str(&format!("content-length: {}\r\n\r\n", self.length())),
        }
        head
    }

    async fn write(&self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        if !self.cuts_every_byte {
            return stream.write_all(bytes).await;
        }
        // The socket has TCP_NODELAY, so each write is a segment.
        for byte in bytes {
            stream.write_all(&[*byte]).await?;
            // Lets the client read it. Timers are too coarse: an answer would take seconds.
            let written = Instant::now();
            while written.elapsed() < AFTER_BYTE {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

/// Waits for this time. Returns `true` if the client closes the connection before.
async fn wait(stream: &TcpStream, time: Duration) -> io::Result<bool> {
    if time.is_zero() {
        return Ok(false);
    }
    let closed = async {
        match stream.peek(&mut [0]).await {
            Ok(0) | Err(_) => {}
            // The next request is there already. It does not tell if the client closes.
            Ok(_) => std::future::pending().await,
        }
    };
    Ok(timeout(time, closed).await.is_ok())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Overloaded",
        _ => "Unnamed",
    }
}
