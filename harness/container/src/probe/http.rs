//! HTTP, from inside the container (`bash` opens the connection, `perl` the one to a Unix socket: there is no `curl` in the
//! image) and from outside, at a published port. One request, one connection, HTTP/1.0: the answer ends with the connection.
//! A [`Request`] is what has more than a path, and what goes another way than straight to a container.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::container::Container;
use crate::error::{Error, Result};

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// A request: a method, a path, and what else it says.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before somebody sends it"]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request of this method, as `GET`.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// GET.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// POST.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// With this header; `Host`, too, which is else where it is sent to.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the fields of a form.
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.body =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
        self.header("Content-Type", "application/x-www-form-urlencoded")
    }

    /// With a body of JSON.
    pub fn json(mut self, text: &str) -> Self {
        self.body = text.as_bytes().to_vec();
        self.header("Content-Type", "application/json")
    }

    /// As it goes over the wire, to this host.
    pub fn to_bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.0\r\nConnection: close\r\n", self.method, self.path);
        let has = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if !has("host") {
            let _ = write!(text, "Host: {host}\r\n");
        }
        if !self.body.is_empty() || self.method != "GET" {
            let _ = write!(text, "Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        [text.into_bytes(), self.body.clone()].concat()
    }
}

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
    /// Reads an answer. Returns `None` if its head is incomplete.
    pub fn parse(answer: &[u8]) -> Option<Self> {
        parse(answer)
    }

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
    /// GET from inside the container, from `127.0.0.1:port`, as the layout's user.
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

    /// GET from inside the container, from a Unix socket, as the layout's user.
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
        let request = Request::get(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        self.http(port, &request).await
    }

    /// Any request from outside, to a port that [`publish`](crate::ContainerBuilder::publish) published.
    pub async fn http(&self, port: u16, request: &Request) -> Result<Response> {
        let published = self.published_port(port).await?;
        let what = format!("http://127.0.0.1:{published}{} of {}", request.path, self.name());
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", published)).await?;
            stream.write_all(&request.to_bytes(&format!("127.0.0.1:{published}"))).await?;
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
    let request = Request::get(path);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).to_bytes(host)
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
        assert_eq!(text, "GET /x HTTP/1.0\r\nConnection: close\r\nHost: h:1\r\nA: b\r\n\r\n");
        let posted = Request::post("/x").header("Host", "other").form(&[("a", "b c")]);
        assert_eq!(
            String::from_utf8(posted.to_bytes("h:1")).unwrap(),
            "POST /x HTTP/1.0\r\nConnection: close\r\nContent-Length: 5\r\nHost: other\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\na=b+c"
        );
    }
}
