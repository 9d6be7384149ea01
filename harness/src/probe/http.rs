//! HTTP, from inside the container (`bash` opens the connection, `perl` the one to a Unix socket: there is no `curl` in the
//! image) and from outside, at a published port. One request, one connection, HTTP/1.0: the answer ends with the connection.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::container::Container;
use crate::error::{Error, Result};

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// As 200.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Container {
    /// GET from inside the container, from `127.0.0.1:port`, as `hermes`.
    pub async fn http_get_inside(&self, port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        // -N-less cat: the answer ends when the server closes.
        const SCRIPT: &str = r#"exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 7; cat >&3; exec cat <&3"#;
        let what = format!("http://127.0.0.1:{port}{path} inside {}", self.name());
        let output = self
            .exec(["bash", "-c", SCRIPT, "bash", &port.to_string()])
            .stdin(request(&format!("127.0.0.1:{port}"), path, headers))
            .deadline(DEADLINE)
            .await?;
        if output.exit_code() != 0 {
            return Err(Error::Command(output.report(&format!("an answer from {what}"))));
        }
        parse(output.stdout_bytes()).ok_or_else(|| unreadable(&what, output.stdout_bytes()))
    }

    /// GET from inside the container, from a Unix socket, as `hermes`.
    pub async fn http_get_socket(
        &self,
        socket: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response> {
        const SCRIPT: &str = r#"my $peer = IO::Socket::UNIX->new(Peer => shift) or die "connect: $!\n";
            local $/; print $peer <STDIN>; print while <$peer>"#;
        let what = format!("{path} from the socket {socket} inside {}", self.name());
        let output = self
            .exec(["perl", "-MIO::Socket::UNIX", "-e", SCRIPT, socket])
            .stdin(request("localhost", path, headers))
            .deadline(DEADLINE)
            .await?;
        if output.exit_code() != 0 {
            return Err(Error::Command(output.report(&format!("an answer from {what}"))));
        }
        parse(output.stdout_bytes()).ok_or_else(|| unreadable(&what, output.stdout_bytes()))
    }

    /// GET from outside, from a port that [`publish`](crate::ContainerBuilder::publish) published.
    pub async fn http_get(&self, port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let published = self.published_port(port).await?;
        let what = format!("http://127.0.0.1:{published}{path} of {}", self.name());
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", published)).await?;
            stream.write_all(&request(&format!("127.0.0.1:{published}"), path, headers)).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok(answer)
        };
        match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(answer) => {
                let answer = answer.map_err(Error::file(format!("get {what}")))?;
                parse(&answer).ok_or_else(|| unreadable(&what, &answer))
            }
            Err(_) => Err(Error::Deadline {
                waiting_for: what,
                after: DEADLINE,
                last_seen: "no end of the answer".to_owned(),
            }),
        }
    }
}

fn unreadable(what: &str, answer: &[u8]) -> Error {
    Error::Parse {
        what: what.to_owned(),
        why: "not an HTTP answer".to_owned(),
        text: String::from_utf8_lossy(answer).into_owned(),
    }
}

fn request(host: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .map(|line| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Response { status, headers, body: answer[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let response =
            parse(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX: a:b\r\n\r\nno\r\n\r\n").unwrap();
        assert_eq!(response.status, 404);
        assert_eq!(response.header("content-TYPE"), Some("text/plain"));
        assert_eq!(response.header("x"), Some("a:b"));
        assert_eq!(response.text(), "no\r\n\r\n");
    }

    #[test]
    fn what_is_no_answer_is_none() {
        assert_eq!(parse(b"SSH-2.0-x\r\n\r\n"), None);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n"), None);
    }

    #[test]
    fn a_request_is_whole() {
        let text = String::from_utf8(request("h:1", "/x", &[("A", "b")])).unwrap();
        assert_eq!(text, "GET /x HTTP/1.0\r\nHost: h:1\r\nConnection: close\r\nA: b\r\n\r\n");
    }
}
