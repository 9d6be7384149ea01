//! A web server for one test, on the loopback: fixed pages, each with its headers.

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Serves one page at `/`, and no other path. Ends on drop.
pub(crate) struct Server {
    port: u16,
    task: AbortHandle,
}

impl Server {
    /// Serves a page with further headers, one per line.
    pub(crate) async fn with_headers(page: &str, headers: &[&str]) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let mut head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n", page.len());
        for header in ["Content-Type: text/html; charset=utf-8"].iter().chain(headers) {
            head.push_str(&format!("{header}\r\n"));
        }
        let answer = format!("{head}\r\n{page}");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(reply(stream, answer.clone()));
            }
        });
        Ok(Self { port, task: task.abort_handle() })
    }

    /// Serves a page.
    pub(crate) async fn start(page: &str) -> Result<Self> {
        Self::with_headers(page, &[]).await
    }

    /// Returns the address of the page.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one request. An error here shows up in the browser.
async fn reply(mut stream: TcpStream, answer: String) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    // A browser requests an icon by itself. An error status would appear in its console.
    let answer = match request.starts_with(b"GET / ") {
        true => answer,
        false => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
