//! The answers of a running gateway.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::routing::post;
use hermes_os::sandbox_level::Level;

use super::gateway::{TestHome, coder, free_port, wait_until};
use crate::http::{App, REQUEST_BODY_MAX, finish};
use crate::serve::LIMITS;

fn echo(app: Arc<App>) -> Router {
    finish(Router::new().route("/echo", post(async |body: String| body)), app)
}

#[test]
fn health_says_who_it_is_and_how_it_is() {
    let home = TestHome::new();
    let gateway = home.start();
    let mut client = gateway.connect();
    let answer = client.get("/health");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    let mut health = answer.json();
    let uptime = health["uptime_seconds"].take();
    assert!(uptime.as_u64().unwrap() < 20, "{uptime}");
    let expected = serde_json::json!({
        "status": "ok", "profile": "coder", "state": "running", "uptime_seconds": null, "version": "1.2.3",
        "requests_served": 0, "pid": process::id(), "sandbox": Level::probe().to_string(),
    });
    assert_eq!(health, expected);
    assert_eq!(client.get("/health").json()["requests_served"], 1, "on the same connection");
    gateway.stop();
}

#[test]
fn metrics_count_by_route_and_status() {
    let home = TestHome::new();
    let gateway = home.start();
    for path in ["/health", "/health", "/secret-path", "/another"] {
        gateway.get(path);
    }
    let mut idle = gateway.connect();
    idle.get("/health");
    let answer = gateway.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let (page, level) = (answer.body, Level::probe());
    for line in [
        "hermes_gateway_info{profile=\"coder\",version=\"1.2.3\"} 1",
        "hermes_gateway_state{state=\"running\"} 1",
        "hermes_gateway_state{state=\"draining\"} 0",
        "hermes_gateway_requests_total{route=\"/health\",code=\"200\"} 3",
        "hermes_gateway_requests_total{route=\"other\",code=\"404\"} 2",
        "hermes_gateway_connections{door=\"tcp\"} 0",
        "hermes_gateway_connections_in_flight 1",
        "hermes_gateway_state_write_failures_total 0",
        &format!("hermes_gateway_sandbox_info{{level=\"{level}\"}} 1"),
        &format!("hermes_gateway_sandbox_full {}", u8::from(level.is_full())),
    ] {
        assert!(page.lines().any(|known| known == line), "{line} is not in\n{page}");
    }
    assert!(!page.contains("secret-path"), "{page}");
    // Every sample belongs to a family that has been introduced.
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let suffix = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let name = suffix.filter(|name| name.ends_with("_seconds")).unwrap_or(name);
        assert!(page.contains(&format!("# HELP {name} ")), "{line}");
        assert!(page.contains(&format!("# TYPE {name} ")), "{line}");
    }
    gateway.stop();
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let home = TestHome::new();
    let gateway = home.start();
    let mut client = gateway.connect();
    let answer = client.get("/no");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json(), problem("no such path", "not_found"));
    client.send("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{answer:?}");
    assert_eq!(answer.json(), problem("this path does not support the method", "method_not_allowed"));
    gateway.stop();
}

fn problem(message: &str, code: &str) -> serde_json::Value {
    let error = serde_json::json!({
        "message": message, "type": "invalid_request_error", "param": null, "code": code,
    });
    serde_json::json!({ "error": error })
}

#[test]
fn malformed_http_is_refused() {
    let home = TestHome::new();
    let gateway = home.start();
    let mut client = gateway.connect();
    client.send("\0\0\0 nonsense\r\n\r\n");
    assert!(client.rest().starts_with(b"HTTP/1.1 400"));
    let mut client = gateway.connect();
    client.send(&format!("GET /health HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(200)));
    assert!(client.rest().starts_with(b"HTTP/1.1 431"));
    // An endless head is not collected. The connection may close before its end.
    let mut client = gateway.connect();
    assert!(client.try_send(&format!("GET /health HTTP/1.1\r\nX: {}", "x".repeat(2_000_000))).is_err());
    assert_eq!(gateway.get("/health").status, 200);
    gateway.stop();
}

#[test]
fn a_long_body_is_refused_with_and_without_its_length() {
    let home = TestHome::new();
    let gateway = home.start_with(echo);
    let mut client = gateway.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.answer().body, "hello");

    let mut client = gateway.connect();
    client
        .send(&format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", REQUEST_BODY_MAX + 1));
    assert_eq!(client.answer().status, 413);

    let mut client = gateway.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let length = REQUEST_BODY_MAX + 1;
    client.send(&format!("{length:x}\r\n{}", "x".repeat(length)));
    assert_eq!(client.answer().status, 413);
    gateway.stop();
}

#[test]
fn an_incomplete_head_times_out() {
    let home = TestHome::new();
    let gateway = home.start();
    let mut client = gateway.connect();
    client.send("GET /health HTTP/1.1\r\n");
    let began = Instant::now();
    client.rest();
    let took = began.elapsed();
    assert!(took > LIMITS.head_timeout / 2 && took < LIMITS.head_timeout * 3 / 2, "{took:?}");
    gateway.stop();
}

#[test]
fn clients_of_the_port_do_not_block_the_unix_socket() {
    let home = TestHome::new();
    let port = free_port();
    home.configure("coder", &format!("gateway:\n  port: {port}\n"));
    let gateway = home.start();
    // One more than fit; the kernel keeps it in its queue.
    let strangers: Vec<_> =
        (0..=LIMITS.connections).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let full = format!("\nhermes_gateway_connections{{door=\"tcp\"}} {}\n", LIMITS.connections);
    let mut client = gateway.connect();
    wait_until("the port is full", || client.get("/metrics").body.contains(&full));
    drop(strangers);
    let empty = "\nhermes_gateway_connections{door=\"tcp\"} 0\n";
    wait_until("the port is free again", || client.get("/metrics").body.contains(empty));
    gateway.stop();
}

#[test]
fn the_socket_is_for_its_owner_alone_and_gone_afterwards() {
    let home = TestHome::new();
    let gateway = home.start();
    let path = home.home.gateway_socket(&coder());
    let socket = fs::symlink_metadata(&path).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o7777, 0o600);
    gateway.stop();
    assert!(!path.exists());
}

#[test]
fn the_socket_works_with_a_long_path() {
    let home = TestHome::in_directory(&format!("{0}/{0}/{0}", "long".repeat(25)));
    assert!(home.home.gateway_socket(&coder()).as_os_str().len() > 300);
    let gateway = home.start();
    assert_eq!(gateway.get("/health").status, 200);
    gateway.stop();
}

/// Asks for the health through the port; `host` is what the client calls the gateway.
fn health_over_tcp(port: u16, host: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_port_that_is_configured_is_served_on_too() {
    let home = TestHome::new();
    let port = free_port();
    home.configure("coder", &format!("gateway:\n  port: {port}\n"));
    let gateway = home.start();
    let answer = health_over_tcp(port, "x");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The connection that just ended lingers in the kernel; the next gateway is served all the same.
    gateway.stop();
    home.start().stop();
}

#[test]
fn the_port_answers_only_to_names_that_are_allowed() {
    let home = TestHome::new();
    let port = free_port();
    home.configure("coder", &format!("gateway:\n  port: {port}\n  allowed_hosts: [agents.example]\n"));
    let gateway = home.start();
    for host in ["127.0.0.1:1", "localhost", "[::1]:80", "hermes-0", "Agents.Example.:443"] {
        assert!(health_over_tcp(port, host).starts_with("HTTP/1.1 200"), "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", ""] {
        let answer = health_over_tcp(port, host);
        assert!(answer.starts_with("HTTP/1.1 421"), "{host}: {answer}");
        assert!(answer.contains("API_SERVER_ALLOWED_HOSTS"), "{answer}");
    }
    let mut client = gateway.connect();
    client.send("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(client.answer().status, 200, "no page reaches the Unix socket");
    gateway.stop();
}
