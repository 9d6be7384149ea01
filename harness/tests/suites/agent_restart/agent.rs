//! An agent with a scripted model, the ways to cut it off, and requests to it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hermes_harness::probe::{Request, Response};
use hermes_harness::{Container, ContainerBuilder, StandIn, Volume, secs};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::driving::{hermes, ready_pid};
use crate::support::gateways::{gateway_is, gateway_other_than};

const PORT: u16 = 8642;
/// The key of the default profile.
pub(super) const KEY: &str = "a-key-for-the-tests";

/// The restart policy of a gateway that may crash as often as a test wants, and a short drain.
pub(super) const POLICY: &str = "hermes config set gateway.restart.max_crashes 1000
    hermes config set gateway.restart.max_delay 0
    hermes config set gateway.drain_timeout 1";

/// The ways to cut an agent off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// `kill -9` of the gateway.
    Gateway,
    /// `docker restart`.
    Restart,
    /// `docker kill` and `docker start`.
    KillAndStart,
    /// The container is removed by force. A new one has the same volume.
    Power,
}

/// An agent: the default profile of a container, with a running gateway.
pub(super) struct Agent {
    pub(super) model: StandIn,
    pub(super) container: Container,
    volume: Volume,
}

impl Agent {
    pub(super) async fn start() -> Result<Self> {
        let (model, volume) = (StandIn::start().await?, Volume::new().await?);
        let container = container_on(&model, &volume).start_ready().await?;
        container.exec_sh(POLICY).await?.success();
        hermes(&container, "gateway start").await?.success();
        Ok(Self { model, container, volume })
    }

    /// Cuts the agent off, and waits until its gateway is ready again.
    pub(super) async fn cut(&mut self, cut: Cut) -> Result<()> {
        match cut {
            Cut::Gateway => {
                let pid = ready_pid(&self.container, "default").await?;
                self.container.kill_process(pid, "KILL").await?;
                let back = gateway_other_than("default", pid);
                self.container.wait_until("the gateway is back", back, secs(20)).await?;
                return Ok(());
            }
            Cut::Restart => self.container.restart().await?,
            Cut::KillAndStart => {
                self.container.kill("KILL").await?;
                self.container.wait_exit(secs(10)).await?;
                self.container.start().await?;
            }
            Cut::Power => {
                let next = container_on(&self.model, &self.volume).create().await?;
                std::mem::replace(&mut self.container, next).remove().await?;
                self.container.start().await?;
            }
        }
        self.container.ready().await?;
        self.container.wait_until("the gateway runs", gateway_is("default", "running"), secs(20)).await?;
        Ok(())
    }

    /// Sends a request, and returns before its answer.
    pub(super) async fn send(&self, request: &Request) -> Result<Exchange> {
        let port = self.container.published_port(PORT).await?;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(&request.to_bytes("localhost")).await?;
        Ok(Exchange { stream, answer: Vec::new() })
    }

    /// Sends a request, and returns its whole answer.
    pub(super) async fn ask(&self, request: &Request) -> Result<Response> {
        self.send(request).await?.end().await
    }

    /// Begins a session, and returns its ID.
    pub(super) async fn new_session(&self) -> Result<String> {
        let answer = self.ask(&post("/api/sessions", KEY, &json!({}))).await?;
        let session: Value = serde_json::from_slice(&answer.body).with_context(|| answer.text())?;
        Ok(session["id"].as_str().with_context(|| answer.text())?.to_owned())
    }
}

/// Returns a request with the key of a profile.
pub(super) fn post(path: &str, key: &str, body: &Value) -> Request {
    Request::post(path).header("Authorization", &format!("Bearer {key}")).json(&body.to_string())
}

/// Returns a turn of a session over Chat Completions.
pub(super) fn turn(key: &str, session: &str, question: &str) -> Request {
    let body = json!({ "messages": [{ "role": "user", "content": question }] });
    post("/v1/chat/completions", key, &body).header("X-Hermes-Session-Id", session)
}

/// Returns the text of the answer to a [`turn`]; `None` if it was cut off.
pub(super) fn said(answer: Option<&Response>) -> Result<Option<String>> {
    let Some(answer) = answer else { return Ok(None) };
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    Ok(body.and_then(|body| Some(body["choices"][0]["message"]["content"].as_str()?.to_owned())))
}

/// A request that runs.
pub(super) struct Exchange {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Exchange {
    /// Reads until the answer contains this text.
    pub(super) async fn read_until(&mut self, text: &str) -> Result<()> {
        let read = async {
            while !String::from_utf8_lossy(&self.answer).contains(text) {
                ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the answer ended");
            }
            Ok(())
        };
        let read = timeout(secs(10), read).await.context("no such text within 10 s").flatten();
        read.with_context(|| format!("{text:?} in {:?}", String::from_utf8_lossy(&self.answer)))
    }

    /// Reads until the end, or until `moment` has passed. The connection stays open.
    pub(super) async fn read_for(&mut self, moment: Duration) -> Result<()> {
        // `read_buf` loses nothing when it is cancelled.
        let read = async {
            while self.stream.read_buf(&mut self.answer).await? > 0 {}
            Ok(())
        };
        timeout(moment, read).await.unwrap_or(Ok(()))
    }

    /// Reads to the end, which may be a cut. Returns the answer if its head is whole.
    pub(super) async fn rest(mut self) -> Option<Response> {
        let _ = timeout(secs(30), self.stream.read_to_end(&mut self.answer)).await;
        Response::parse(&self.answer)
    }

    /// Reads to the end.
    pub(super) async fn end(mut self) -> Result<Response> {
        let read = timeout(secs(30), self.stream.read_to_end(&mut self.answer)).await;
        read.context("no end of the answer within 30 s")??;
        Response::parse(&self.answer).with_context(|| String::from_utf8_lossy(&self.answer).into_owned())
    }
}

/// Returns a container of `model` on `volume` that waits for commands.
fn container_on(model: &StandIn, volume: &Volume) -> ContainerBuilder {
    let builder = Container::builder()
        .volume(volume, "/opt/data")
        .env("API_SERVER_HOST", "0.0.0.0")
        .env("API_SERVER_KEY", KEY)
        .publish(PORT)
        .cmd(["sleep", "infinity"]);
    model.model_of(builder)
}
