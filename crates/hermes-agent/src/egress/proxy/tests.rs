//! The proxy against hostile clients, hostile names and hostile servers, all on this machine.

mod http;
mod tunnels;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Decision, Limits, Log, Proxy, Record};
use crate::egress::scripted_names::ScriptedNames;

/// The time after which a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running proxy with its records.
struct Fixture {
    proxy: Proxy,
    records: Mutex<mpsc::UnboundedReceiver<Record>>,
}

impl Fixture {
    async fn start(names: &Arc<ScriptedNames>, allowed: &[&str]) -> Self {
        Self::start_with(names, allowed, Limits::default()).await
    }

    async fn start_with(names: &Arc<ScriptedNames>, allowed: &[&str], limits: Limits) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let log: Log = Arc::new(move |record| drop(sender.send(record.clone())));
        let proxy = Proxy::start_with(names.egress(allowed), log, limits).await.unwrap();
        Self { proxy, records: Mutex::new(receiver) }
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.proxy.port())).await.unwrap()
    }

    /// Returns the header that a client with the environment of the proxy sends.
    fn authorization(&self) -> String {
        let url = self.proxy.environment()["HTTP_PROXY"].clone();
        let credential = url.strip_prefix("http://").unwrap().split_once('@').unwrap().0.to_owned();
        format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(credential))
    }

    /// Sends a head with the token, and returns the whole answer.
    async fn ask(&self, line: &str, headers: &str) -> String {
        self.send(&format!("{line} HTTP/1.1\r\n{}{headers}\r\n", self.authorization())).await
    }

    /// Sends bytes as they are, and returns the whole answer.
    async fn send(&self, text: &str) -> String {
        let mut client = self.client().await;
        client.write_all(text.as_bytes()).await.unwrap();
        rest_of(&mut client).await
    }

    /// Opens a tunnel.
    async fn tunnel(&self, target: &str) -> TcpStream {
        let mut client = self.client().await;
        let head = format!("CONNECT {target} HTTP/1.1\r\n{}\r\n", self.authorization());
        client.write_all(head.as_bytes()).await.unwrap();
        let expected = b"HTTP/1.1 200 Connection established\r\n\r\n";
        let mut answer = vec![0; expected.len()];
        timeout(DEADLINE, client.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(expected));
        client
    }

    async fn record(&self) -> Record {
        std::future::poll_fn(|cx| self.records.lock().unwrap().poll_recv(cx)).await.unwrap()
    }
}

async fn rest_of(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = timeout(DEADLINE, client.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[track_caller]
fn assert_refused(answer: &str, part: &str) {
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("Content-Type: text/plain") && answer.contains(part), "{answer}");
    assert!(answer.contains("\r\nX-Hermes-Reason: hermes refused the connection"), "{answer}");
}

#[tokio::test]
async fn private_targets_are_refused_in_all_spellings() {
    let names = ScriptedNames::new(&[
        ("loopback.example", &["127.0.0.1"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
        ("metadata.example", &["169.254.169.254"]),
        ("lan.example", &["192.168.1.1"]),
        ("nat64.example", &["64:ff9b::7f00:1"]),
        ("localhost", &["127.0.0.1"]),
    ]);
    let fixture = Fixture::start(&names, &[]).await;
    for host in [
        "169.254.169.254",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "loopback.example",
        "LOOPBACK.Example.",
        "mapped.example",
        "metadata.example",
        "lan.example",
        "nat64.example",
        "localhost",
    ] {
        assert_refused(&fixture.ask(&format!("CONNECT {host}:443"), "").await, "terminal.allow_hosts");
        let record = fixture.record().await;
        assert!(matches!(record.decision, Decision::Refused(_)), "{record:?}");
        assert_refused(&fixture.ask(&format!("GET http://{host}/"), "").await, "terminal.allow_hosts");
        fixture.record().await;
    }
}

#[tokio::test]
async fn targets_that_are_no_hosts_are_bad_requests() {
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[]).await;
    for target in [
        "example.org",
        "example.org:0",
        "example.org:99999",
        "example.org:+443",
        ":443",
        "[::1:443",
        "[fe80::1%25eth0]:443",
        "127.0.0.1%00.example.org:443",
        "me@example.org:443",
        "https://example.org:443",
        "1.2.3.4.5:443",
        "example.org:80:443",
    ] {
        let answer = fixture.ask(&format!("CONNECT {target}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{target}: {answer}");
    }
    for target in [
        "/",
        "*",
        "example.org",
        "https://example.org/",
        "ftp://example.org/",
        "http://me:pw@example.org/",
        "http://",
        "http:///x",
    ] {
        let answer = fixture.ask(&format!("GET {target}"), "").await;
        let is_refused =
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n") || answer.starts_with("HTTP/1.1 502");
        assert!(is_refused, "{target}: {answer}");
    }
    let answer = fixture.ask("TRACE http://example.org/", "").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn an_opened_loopback_does_not_open_the_proxy_itself() {
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &["127.0.0.1"]).await;
    let answer = fixture.ask(&format!("CONNECT 127.0.0.1:{}", fixture.proxy.port()), "").await;
    assert_refused(&answer, "this proxy itself");
}

#[tokio::test]
async fn a_name_that_changes_is_looked_up_once() {
    let (server, address) = listener().await;
    let port = server.local_addr().unwrap().port();
    // The second address leads to a server, and the operator's entry is for another name.
    let names = ScriptedNames::new(&[("changes.example", &["10.1.2.3", "127.0.0.1"])]);
    let fixture = Fixture::start(&names, &[&format!("other.example:{port}")]).await;
    assert_refused(&fixture.ask(&format!("CONNECT changes.example:{port}"), "").await, "10.1.2.3");
    assert_refused(&fixture.ask(&format!("CONNECT changes.example:{port}"), "").await, "127.0.0.1");
    assert_eq!(names.looked_up().len(), 2);

    // The first address is allowed, and the connection goes there although the name has moved on.
    let names = ScriptedNames::new(&[("moves.example", &["127.0.0.1", "169.254.169.254"])]);
    let fixture = Fixture::start(&names, &[&address]).await;
    let tunnel = fixture.tunnel(&format!("moves.example:{port}")).await;
    let (_, peer) = timeout(DEADLINE, server.accept()).await.unwrap().unwrap();
    assert!(peer.ip().is_loopback());
    assert_eq!(names.looked_up(), ["moves.example"]);
    drop(tunnel);
}

#[tokio::test]
async fn nobody_without_the_token_is_served() {
    let (_server, address) = listener().await;
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let right = fixture.authorization();
    for headers in [
        String::new(),
        "Proxy-Authorization: Basic aGVybWVzOg==\r\n".to_owned(),
        "Proxy-Authorization: Basic\r\n".to_owned(),
        right.replace("Basic", "Bearer"),
        right.replace("\r\n", "x\r\n"),
        right.replace("Proxy-Authorization", "Authorization"),
        format!("{right}{right}"),
    ] {
        for line in [format!("CONNECT {address}"), format!("GET http://{address}/"), "GET /".to_owned()] {
            let answer = fixture.send(&format!("{line} HTTP/1.1\r\n{headers}\r\n")).await;
            assert!(
                answer.starts_with("HTTP/1.1 407 Proxy Authentication Required\r\n"),
                "{headers}: {answer}"
            );
            assert!(answer.contains("Proxy-Authenticate: Basic realm=\"hermes\"\r\n"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_nothing_loses_its_place() {
    let limits = Limits { head: Duration::from_millis(200), connections: 1, ..Limits::default() };
    let fixture = Fixture::start_with(&ScriptedNames::new(&[]), &[], limits).await;
    let mut silent = fixture.client().await;
    let mut slow = fixture.client().await;
    slow.write_all(b"GET http://h/ HTTP/1.1\r\n").await.unwrap();
    assert!(rest_of(&mut silent).await.starts_with("HTTP/1.1 408 "));
    assert!(rest_of(&mut slow).await.starts_with("HTTP/1.1 408 "));
    assert_refused(&fixture.ask("CONNECT 127.0.0.1:1", "").await, "127.0.0.1");
}

#[tokio::test]
async fn dropping_the_proxy_ends_listener_and_tunnels() {
    let (server, address) = listener().await;
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let mut tunnel = fixture.tunnel(&address).await;
    let (mut accepted, _) = server.accept().await.unwrap();
    let port = fixture.proxy.port();
    let Fixture { proxy, records } = fixture;
    drop(proxy);
    assert_eq!(rest_of(&mut tunnel).await, "");
    assert_eq!(rest_of(&mut accepted).await, "");
    let record = timeout(DEADLINE, records.into_inner().unwrap().recv()).await.unwrap().unwrap();
    assert_eq!(record.decision, Decision::Allowed);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn the_environment_leads_programs_to_the_proxy() {
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[]).await;
    let other = Fixture::start(&ScriptedNames::new(&[]), &[]).await;
    let environment = fixture.proxy.environment();
    let names: Vec<_> = environment.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "ALL_PROXY",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "NODE_USE_ENV_PROXY",
            "NO_PROXY",
            "all_proxy",
            "http_proxy",
            "https_proxy",
            "no_proxy"
        ]
    );
    assert_eq!(environment["NO_PROXY"], "");
    assert!(environment["https_proxy"].ends_with(&format!("@127.0.0.1:{}", fixture.proxy.port())));
    assert_ne!(
        environment["HTTP_PROXY"].split('@').next(),
        other.proxy.environment()["HTTP_PROXY"].split('@').next()
    );
    assert!(
        !format!("{:?}", fixture.proxy).contains(environment["HTTP_PROXY"].split(['@', ':']).nth(2).unwrap())
    );
}
