//! Plain requests: framing, headers, and answers of hostile servers.

use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{DEADLINE, Fixture, ScriptedNames, listener, rest_of};

/// Accepts one connection, reads until `end` came, answers, and returns everything that came until the proxy closed.
fn serve(server: TcpListener, end: &'static str, answer: &'static str) -> JoinHandle<String> {
    tokio::spawn(async move {
        let (mut stream, _) = server.accept().await.unwrap();
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).ends_with(end) {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut seen).await;
        String::from_utf8(seen).unwrap()
    })
}

#[tokio::test]
async fn the_url_decides_on_server_and_host_header() {
    let (server, address) = listener().await;
    let seen = serve(
        server,
        "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: x\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\nhello",
    );
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let headers = "Host: evil.example\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n\
                   Upgrade: websocket\r\nTE: trailers\r\nX-Kept: 1\r\n";
    let answer = fixture.ask(&format!("GET http://{address}/a/b?c=d#e"), headers).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    for gone in ["keep-alive", "x-hop"] {
        assert!(!answer.to_ascii_lowercase().contains(gone), "{answer}");
    }
    let seen = timeout(DEADLINE, seen).await.unwrap().unwrap().to_ascii_lowercase();
    assert!(seen.starts_with("get /a/b?c=d http/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("\r\nhost: {address}\r\n")) && !seen.contains("evil.example"), "{seen}");
    assert!(seen.contains("\r\nx-kept: 1\r\n") && seen.contains("\r\nconnection: close\r\n"), "{seen}");
    for gone in ["proxy-", "x-private", "upgrade", "te:", "basic"] {
        assert!(!seen.contains(gone), "{gone}: {seen}");
    }
    let record = fixture.record().await;
    assert_eq!(format!("{}:{}", record.host, record.port), address);
    assert!(record.sent > 0 && record.received > 0, "{record:?}");
}

#[rstest]
#[case::two_lengths("Content-Length: 5\r\nContent-Length: 6\r\n")]
#[case::both("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")]
#[case::folded("Transfer-Encoding:\r\n chunked\r\n")]
#[case::nul("X: a\0b\r\n")]
#[case::bare_lf("X: a\nContent-Length: 5\r\n")]
#[case::two_hosts("Host: a\r\nHost: b\r\n")]
#[tokio::test]
async fn requests_with_two_readings_reach_no_server(#[case] headers: &str) {
    let (server, address) = listener().await;
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let answer = fixture.ask(&format!("POST http://{address}/"), headers).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    // The next connection that the server gets is this one.
    let own = tokio::net::TcpStream::connect(&address).await.unwrap();
    assert_eq!(server.accept().await.unwrap().1, own.local_addr().unwrap());
}

#[tokio::test]
async fn a_second_request_behind_the_first_is_not_served() {
    let (server, address) = listener().await;
    let seen = serve(server, "abc", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let smuggled = format!("GET http://{address}/smuggled HTTP/1.1\r\n{}\r\n", fixture.authorization());
    let text = format!(
        "POST http://{address}/first HTTP/1.1\r\n{}Content-Length: 3\r\n\r\nabc{smuggled}",
        fixture.authorization()
    );
    let answer = fixture.send(&text).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    let seen = timeout(DEADLINE, seen).await.unwrap().unwrap();
    assert!(seen.ends_with("\r\n\r\nabc") && !seen.contains("smuggled"), "{seen}");
}

#[tokio::test]
async fn bodies_in_chunks_are_framed_anew() {
    let (server, address) = listener().await;
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    let seen = serve(server, "0\r\n\r\n", answer);
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let mut client = fixture.client().await;
    let text = format!(
        "POST http://{address}/ HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
        fixture.authorization()
    );
    client.write_all(text.as_bytes()).await.unwrap();
    let answer = rest_of(&mut client).await;
    assert!(answer.contains("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "{answer}");
    let seen = timeout(DEADLINE, seen).await.unwrap().unwrap();
    assert!(seen.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{seen}");
}

#[rstest]
#[case::nothing("")]
#[case::no_http("SSH-2.0-x\r\n")]
#[case::two_lengths("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")]
#[case::other_protocol("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")]
#[tokio::test]
async fn broken_answers_are_bad_gateways(#[case] broken: &'static str) {
    let (server, address) = listener().await;
    let seen = serve(server, "\r\n\r\n", broken);
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let answer = fixture.ask(&format!("GET http://{address}/"), "").await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    timeout(DEADLINE, seen).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let (server, address) = listener().await;
    let seen = serve(server, "\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nall of it");
    let fixture = Fixture::start(&ScriptedNames::new(&[]), &[&address]).await;
    let answer = fixture.ask(&format!("GET http://{address}/"), "").await;
    assert!(answer.contains("all of it"), "{answer}");
    timeout(DEADLINE, seen).await.unwrap().unwrap();
}
