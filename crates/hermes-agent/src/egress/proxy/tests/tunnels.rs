//! Tunnels: bytes both ways, ends, limits.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{DEADLINE, Decision, Fixture, Limits, ScriptedNames, listener, rest_of};

fn bytes(seed: u8, length: usize) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn a_tunnel_carries_ten_megabytes_both_ways() {
    const LENGTH: usize = 10 * 1024 * 1024;
    let (server, address) = listener().await;
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let (mut client_reads, mut client_writes) = fixture.tunnel(&address).await.into_split();
    let (mut server_reads, mut server_writes) = server.accept().await.unwrap().0.into_split();
    let (up, down) = (bytes(1, LENGTH), bytes(2, LENGTH));
    let (mut got_up, mut got_down) = (Vec::new(), Vec::new());
    let work = async {
        tokio::try_join!(
            async {
                client_writes.write_all(&up).await?;
                client_writes.shutdown().await
            },
            async {
                server_writes.write_all(&down).await?;
                server_writes.shutdown().await
            },
            server_reads.read_to_end(&mut got_up),
            client_reads.read_to_end(&mut got_down),
        )
    };
    timeout(DEADLINE, work).await.unwrap().unwrap();
    assert!(got_up == up && got_down == down);
    let record = fixture.record().await;
    assert_eq!((record.sent, record.received), (LENGTH as u64, LENGTH as u64));
    assert_eq!(record.decision, Decision::Allowed);
}

#[tokio::test]
async fn the_end_of_one_side_leaves_the_other_open() {
    let (server, address) = listener().await;
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let mut client = fixture.tunnel(&address).await;
    let (mut accepted, _) = server.accept().await.unwrap();
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest_of(&mut accepted).await, "question");
    accepted.write_all(b"answer").await.unwrap();
    drop(accepted);
    assert_eq!(rest_of(&mut client).await, "answer");
}

#[tokio::test]
async fn bytes_that_come_with_the_request_are_not_lost() {
    let (server, address) = listener().await;
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let mut client = fixture.client().await;
    let text =
        format!("CONNECT {address} HTTP/1.1\r\nHost: other.example\r\n{}\r\nearly", fixture.authorization());
    client.write_all(text.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    assert_eq!(rest_of(&mut accepted).await, "early");
}

#[tokio::test]
async fn a_receiver_that_reads_nothing_stops_its_sender() {
    let (server, address) = listener().await;
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let mut client = fixture.tunnel(&address).await;
    let (accepted, _) = server.accept().await.unwrap();
    let piece = vec![0; 1024 * 1024];
    let mut sent = 0_usize;
    // The kernel's buffers take some; then a write waits.
    while timeout(Duration::from_secs(1), client.write_all(&piece)).await.is_ok() {
        sent += piece.len();
        assert!(sent < 256 * 1024 * 1024, "the proxy takes everything");
    }
    drop(accepted);
}

#[tokio::test]
async fn an_idle_tunnel_ends() {
    let (server, address) = listener().await;
    let limits = Limits { idle: Duration::from_millis(300), ..Limits::default() };
    let fixture = Fixture::start_with(&ScriptedNames::new(&[]), &[&address], limits).await;
    let mut client = fixture.tunnel(&address).await;
    let (mut accepted, _) = server.accept().await.unwrap();
    for _ in 0..5 {
        accepted.write_all(b"x").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
    }
    assert_eq!(rest_of(&mut client).await, "");
    assert_eq!(rest_of(&mut accepted).await, "");
    assert_eq!(fixture.record().await.received, 5);
}

#[tokio::test]
async fn a_server_that_is_down_is_a_bad_gateway() {
    let (server, address) = listener().await;
    drop(server);
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let answer = fixture.ask(&format!("CONNECT {address}"), "").await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains(&format!("failed to connect to {address}: ")), "{answer}");
    let answer = fixture.ask("CONNECT nowhere.example:443", "").await;
    assert!(answer.contains("failed to find the address of nowhere.example: no such name"), "{answer}");
}

async fn echo(server: TcpListener) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = server.accept().await {
        tasks.spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        });
    }
}

#[tokio::test]
async fn two_hundred_clients_at_once_are_all_served() {
    let (server, address) = listener().await;
    let server = tokio::spawn(echo(server));
    let fixture = Arc::new(Fixture::start(&ScriptedNames::new(&[]), &[&address]).await);
    let start = Arc::new(Barrier::new(200));
    let mut clients = JoinSet::new();
    for seed in 0..200 {
        let (fixture, start, address) = (Arc::clone(&fixture), Arc::clone(&start), address.clone());
        clients.spawn(async move {
            start.wait().await;
            let mut client = fixture.tunnel(&address).await;
            let sent = bytes(seed, 20_000);
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            assert!(got == sent);
        });
    }
    timeout(DEADLINE, clients.join_all()).await.unwrap();
    server.abort();
}
