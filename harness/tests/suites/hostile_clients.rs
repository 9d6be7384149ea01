//! Clients that hold many connections: they cost the servers little, and an honest client gets its answers.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::gateways::gateway_is;

const DASHBOARD: u16 = 9119;
const GATEWAY: u16 = 8642;

/// The number of held connections: more than the limit of either server.
const MANY: usize = 1400;

fn dashboard_builder() -> ContainerBuilder {
    Container::builder().env("HERMES_DASHBOARD", "1").publish(DASHBOARD).cmd(["sleep", "infinity"])
}

async fn start_gateway() -> Result<Container> {
    let container = Container::builder()
        .env("API_SERVER_HOST", "0.0.0.0")
        .publish(GATEWAY)
        .cmd(["gateway", "run"])
        .start_ready()
        .await?;
    container.wait_until("the gateway runs", gateway_is("default", "running"), secs(10)).await?;
    Ok(container)
}

/// Sends a request on a new connection and returns the whole answer.
async fn ask(port: u16, request: &str) -> Result<String> {
    let mut client = TcpStream::connect(("127.0.0.1", port)).await?;
    client.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Checks that an honest client gets ten answers in a row, each within 3 s.
async fn check_served(port: u16, path: &str) -> Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for turn in 0..10 {
        let answer = tokio::time::timeout(secs(3), ask(port, &request)).await;
        let answer = answer.with_context(|| format!("no answer within 3 s, turn {turn}"))?;
        let answer = answer.with_context(|| format!("turn {turn}"))?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "turn {turn}: {answer}");
    }
    Ok(())
}

/// Opens connections that each send these bytes, as far as the server reads them. Returns the connections that did not
/// fail.
///
/// Their receive buffers are small. The server answers until the buffers are full, and the kernel lets large buffers
/// grow to megabytes.
async fn open_connections(port: u16, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        let Ok(mut client) = connect_with_small_buffer(port).await else { continue };
        let sent = tokio::time::timeout(Duration::from_millis(200), client.write_all(bytes)).await;
        if !matches!(sent, Ok(Err(_))) {
            held.push(client);
        }
    }
    held
}

async fn connect_with_small_buffer(port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await
}

async fn dashboard_pid(container: &Container) -> Result<Option<u32>> {
    let processes = container.processes().await?;
    let is_it = |argv: &[String]| argv.iter().any(|word| word.contains("dashboard-run"));
    Ok(processes.iter().find(|process| is_it(&process.argv)).map(|process| process.pid))
}

async fn start_dashboard(builder: ContainerBuilder) -> Result<(Container, u16)> {
    let container = builder.start_ready().await?;
    let port = container.published_port(DASHBOARD).await?;
    let answers = async |_: &Container| {
        let served = check_served(port, "/api/status").await;
        Ok(Look::holds(served.is_ok(), || format!("{served:?}")))
    };
    container.wait_until("the dashboard serves", answers, secs(10)).await?;
    Ok((container, port))
}

#[docker_test]
async fn unfinished_logins_cost_little_memory_and_delay_no_client() -> Result<()> {
    let (container, port) = start_dashboard(dashboard_builder().memory(128 << 20)).await?;
    let before = dashboard_pid(&container).await?.context("the dashboard runs")?;
    let head =
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    for length in [8 * 1024, 1024 * 1024] {
        let mut request = format!("{head}Content-Length: {length}\r\n\r\n").into_bytes();
        request.resize(request.len() + length - 1, b'a');
        let held = open_connections(port, MANY, &request).await;
        check_served(port, "/api/status").await.with_context(|| format!("bodies of {length} bytes"))?;
        drop(held);
    }
    ensure!(dashboard_pid(&container).await? == Some(before), "the dashboard was ended");
    ensure!(!container.state().await?.oom_killed);
    Ok(())
}

#[docker_test]
async fn idle_connections_delay_no_client() -> Result<()> {
    let (_container, port) = start_dashboard(dashboard_builder()).await?;
    let held = open_connections(port, MANY, b"G").await;
    check_served(port, "/api/status").await?;
    drop(held);
    let container = start_gateway().await?;
    let port = container.published_port(GATEWAY).await?;
    let held = open_connections(port, 400, b"G").await;
    check_served(port, "/health").await?;
    drop(held);
    Ok(())
}

#[docker_test]
async fn clients_that_never_read_do_not_close_the_port() -> Result<()> {
    let container = start_gateway().await?;
    let port = container.published_port(GATEWAY).await?;
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(4000);
    let held = open_connections(port, 300, requests.as_bytes()).await;
    // The gateway answers until the buffers are full: megabytes for each connection, also those of Docker's proxy. On a busy machine this
    // takes a minute. Then it serves other clients.
    let free = async |_: &Container| {
        let served = check_served(port, "/health").await;
        Ok(Look::holds(served.is_ok(), || format!("{served:?}")))
    };
    container.wait_until("an honest client is served", free, secs(140)).await?;
    drop(held);
    Ok(())
}

#[docker_test]
async fn a_gateway_refuses_a_foreign_host_name() -> Result<()> {
    let container = start_gateway().await?;
    let port = container.published_port(GATEWAY).await?;
    let status = async |host: &str| {
        let request = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = ask(port, &request).await?;
        Ok::<_, anyhow::Error>(answer.split(' ').nth(1).unwrap_or_default().to_owned())
    };
    for host in ["evil.example", "evil.example:8642", "127.0.0.1.evil.example"] {
        ensure!(status(host).await? == "421", "{host}: {}", status(host).await?);
    }
    for host in ["localhost", "127.0.0.1:8642", "[::1]", "agents", "192.0.2.7"] {
        ensure!(status(host).await? == "200", "{host}: {}", status(host).await?);
    }
    Ok(())
}
