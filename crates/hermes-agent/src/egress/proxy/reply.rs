//! Answers of the proxy itself.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The time for a client to take an answer, and to stop sending.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// The bytes of an unread request that the proxy takes after its answer.
const LINGER_BYTES: u64 = 256 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status with its phrase.
    pub(super) status: &'static str,
    /// Further headers, each with CR LF.
    pub(super) headers: &'static str,
    /// The sentence.
    pub(super) text: String,
}

impl Reply {
    /// Creates an answer without further headers.
    pub(super) fn new(status: &'static str, text: impl Into<String>) -> Self {
        Self { status, headers: "", text: text.into() }
    }

    /// Sends the answer and closes the connection.
    ///
    /// It reads a part of the rest of the request: closing with unread bytes would reset the connection, and the answer would be lost.
    pub(super) async fn send(&self, mut client: TcpStream) {
        let reason: String =
            self.text.chars().map(|letter| if matches!(letter, ' '..='~') { letter } else { '?' }).collect();
        let answer = format!(
            "HTTP/1.1 {}\r\n{}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             X-Hermes-Reason: {reason}\r\nConnection: close\r\n\r\n{}\n",
            self.status,
            self.headers,
            self.text.len() + 1,
            self.text,
        );
        let _ = timeout(LINGER_TIME, async {
            client.write_all(answer.as_bytes()).await?;
            client.shutdown().await?;
            tokio::io::copy(&mut client.take(LINGER_BYTES), &mut tokio::io::sink()).await
        })
        .await;
    }
}
