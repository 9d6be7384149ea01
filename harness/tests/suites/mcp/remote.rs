//! A server on the network that speaks streamable HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use hermes_harness::{StandIn, docker_test};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::driving::hermes;

use super::scene::{Agent, CANARY};

/// A server. It ends when this is dropped.
struct Server {
    /// The address for a container of the default network.
    address: String,
    /// The heads of its requests.
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server whose tool `search` answers with the query. With `moved`, it redirects each request to that address.
    async fn start(moved: Option<String>) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 0))).await?;
        let port = listener.local_addr()?.port();
        let url = StandIn::start().await?.url();
        let host = url.strip_prefix("http://").and_then(|rest| rest.split(':').next()).context("a host")?;
        let address = format!("{host}:{port}");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (seen, moved) = (Arc::clone(&seen), moved.clone());
                // A client that ends early needs no answer.
                tokio::spawn(async move { serve(client, &seen, moved.as_deref()).await.ok() });
            }
        });
        Ok(Self { address, heads, task })
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one request.
async fn serve(mut client: TcpStream, seen: &Mutex<Vec<String>>, moved: Option<&str>) -> Result<()> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let (head, body) = loop {
        let length = client.read(&mut buffer).await?;
        ensure!(length > 0, "it ended");
        bytes.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
    let request: Value = serde_json::from_str(&body).unwrap_or_default();
    let (status, body) = match (moved, head.starts_with("POST "), request["method"].as_str()) {
        (Some(target), ..) => (format!("307 Moved\r\nlocation: http://{target}/mcp"), String::new()),
        (None, true, _) if !head.contains(&format!("Bearer {CANARY}")) => {
            ("401 No".to_owned(), String::new())
        }
        (None, true, Some(method)) if request.get("id").is_some() => {
            let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": result(method, &request)});
            ("200 OK\r\ncontent-type: application/json".to_owned(), answer.to_string())
        }
        (None, true, _) => ("202 Accepted".to_owned(), String::new()),
        _ => ("405 No".to_owned(), String::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    client.write_all(format!("{head}{body}").as_bytes()).await?;
    Ok(())
}

fn result(method: &str, request: &Value) -> Value {
    match method {
        "initialize" => json!({
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "notes", "version": "2"},
        }),
        "tools/list" => {
            let schema = json!({"type": "object", "properties": {"query": {"type": "string"}}});
            json!({"tools": [{"name": "search", "description": "Searches.", "inputSchema": schema}]})
        }
        _ => {
            // A server that repeats the token tells the model nothing.
            let query = request["params"]["arguments"]["query"].as_str().unwrap_or_default();
            let text = format!("found {query} with {CANARY}-of-the-profile");
            json!({"content": [{"type": "text", "text": text}]})
        }
    }
}

/// Returns the entry `notes` for a server.
fn entry(address: &str) -> String {
    format!("  notes: {{url: 'http://{address}/mcp', headers: {{Authorization: 'Bearer ${{TOKEN}}'}}}}\n")
}

#[docker_test]
async fn a_server_on_the_network_answers_the_model() -> Result<()> {
    let server = Server::start(None).await?;
    // The operator wrote the address, so no terminal.allow_hosts is needed.
    let agent = Agent::start_with(&entry(&server.address), |builder| builder).await?;
    let tested = hermes(&agent.container, "mcp test notes").await?.success().stdout();
    ensure!(tested.starts_with("notes works: notes 2, 1 tools"), "{tested}");
    let results = agent.turn(&[("mcp_notes_search", json!({"query": "milk"}))]).await?;
    ensure!(results == ["found milk with [secret]"], "{results:?}");
    // A tool of the agent does not reach the same server.
    let page = json!({"urls": [format!("http://{}/mcp", server.address)]});
    let before = server.heads().len();
    let results = agent.turn(&[("web_extract", page)]).await?;
    ensure!(results[0].contains("refused the connection"), "{results:?}");
    ensure!(server.heads().len() == before, "{:#?}", server.heads());
    Ok(())
}

#[docker_test]
async fn the_token_of_a_server_follows_no_redirect() -> Result<()> {
    let target = Server::start(None).await?;
    let server = Server::start(Some(target.address.clone())).await?;
    let agent = Agent::start_with(&entry(&server.address), |builder| builder).await?;
    let tested = hermes(&agent.container, "mcp test notes").await?.code(1).stderr();
    ensure!(tested.contains("the server redirects to another host"), "{tested}");
    ensure!(!server.heads().is_empty() && target.heads().is_empty(), "{:#?}", target.heads());
    ensure!(!tested.contains(CANARY), "{tested}");
    Ok(())
}
