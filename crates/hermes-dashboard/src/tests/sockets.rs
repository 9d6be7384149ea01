//! The dashboard on a real socket: many clients, slow clients, long heads.

use std::sync::Arc;
use std::time::Duration;

use hermes_service::ServiceStatus;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::fixture::{Dashboard, LoggedIn};
use crate::process_usage::Usage;
use crate::{connection, fake, refresh};

async fn serve(dashboard: &Dashboard) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(connection::accept(listener, dashboard.router.clone(), "".into()));
    tokio::spawn(refresh::run(Arc::clone(&dashboard.site)));
    address
}

async fn open(address: std::net::SocketAddr, path: &str, who: &LoggedIn) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", who.cookie);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 16 * 1024];
    let length =
        tokio::time::timeout(Duration::from_secs(20), stream.read(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn a_thousand_streams_need_little_memory() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for count in 0..20 {
        dashboard.profile(&format!("agent-{count}"));
    }
    let version = refresh::recent(&dashboard.site).await.unwrap().version;
    let address = serve(&dashboard).await;
    let before = Usage::of(std::process::id()).unwrap().memory_bytes;
    let path = format!("/api/events?since={version}");
    let mut streams = Vec::new();
    for count in 0..1000 {
        let mut stream = open(address, &path, &me).await;
        // Every second one reads nothing at all.
        if count % 2 == 0 {
            assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
        }
        streams.push(stream);
    }
    // Every row changes, ten times: 80 kB for each of them.
    for round in 0..10 {
        for count in 0..20 {
            let gave_up = Some(format!("round {round} {}", "x".repeat(400)));
            dashboard.set(&format!("agent-{count}"), ServiceStatus { gave_up, ..fake::running() });
        }
        refresh::refresh(&dashboard.site).await;
        tokio::task::yield_now().await;
    }
    let last = "round 9";
    let mut seen = String::new();
    while !seen.contains(last) {
        let more = read_some(&mut streams[0]).await;
        assert!(!more.is_empty(), "the stream ended after {seen}");
        seen.push_str(&more);
    }
    let grown = Usage::of(std::process::id()).unwrap().memory_bytes.saturating_sub(before);
    assert!(grown < 60 * 1024 * 1024, "{} MiB for a thousand streams", grown / (1024 * 1024));
    // And it still answers.
    let mut page = open(address, "/", &me).await;
    assert!(read_some(&mut page).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn long_heads_are_refused() {
    let dashboard = Dashboard::new();
    let address = serve(&dashboard).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    // It may be closed while it is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many: String = (0..200).map(|count| format!("X-{count}: y\r\n")).collect();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 431"));
}
