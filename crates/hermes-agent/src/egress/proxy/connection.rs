//! One connection of a client: head, token, target, rules, then a tunnel or a relayed request.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpStream;
use url::Url;

use super::head::{self, BadHead, Head};
use super::record::{Decision, Log, Record};
use super::relay;
use super::reply::Reply;
use super::tunnel::{self, Counted, Traffic};
use crate::egress::host::{Host, split_port};
use crate::egress::resolver::{Egress, connect};

/// The limits of a proxy.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time for the head of a request.
    pub head: Duration,
    /// The time that a connection may carry nothing.
    pub idle: Duration,
    /// The connections at one time. Others wait.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), idle: Duration::from_secs(300), connections: 64 }
    }
}

/// The way of a request.
enum Way {
    Tunnel,
    Relay(Url),
}

/// The part of a proxy that all its connections share.
pub(super) struct Gate {
    egress: Arc<Egress>,
    log: Log,
    limits: Limits,
    port: u16,
    /// The only value of `Proxy-Authorization` that is served.
    authorization: String,
}

impl Gate {
    pub(super) fn new(egress: Arc<Egress>, log: Log, limits: Limits, port: u16, credential: &str) -> Self {
        let authorization = format!("Basic {}", STANDARD.encode(credential));
        Self { egress, log, limits, port, authorization }
    }

    /// Serves one request.
    pub(super) async fn serve(&self, mut client: TcpStream) {
        let _ = client.set_nodelay(true);
        let head = match head::read(&mut client, self.limits.head).await {
            Ok(head) => head,
            Err(BadHead::Gone) => return,
            Err(BadHead::Slow) => {
                return Reply::new("408 Request Timeout", "the request did not come in time")
                    .send(client)
                    .await;
            }
            Err(BadHead::Long) => {
                return Reply::new(
                    "431 Request Header Fields Too Large",
                    "the head of the request is too long",
                )
                .send(client)
                .await;
            }
            Err(BadHead::Form(cause)) => return Reply::new("400 Bad Request", cause).send(client).await,
        };
        if !self.is_ours(&head) {
            let mut reply = Reply::new(
                "407 Proxy Authentication Required",
                "this proxy serves the tools of one agent only",
            );
            reply.headers = "Proxy-Authenticate: Basic realm=\"hermes\"\r\n";
            return reply.send(client).await;
        }
        match target(&head) {
            Ok((host, port, way)) => self.go(client, head, host, port, way).await,
            Err(reply) => reply.send(client).await,
        }
    }

    fn is_ours(&self, head: &Head) -> bool {
        // The name of a scheme has no case (RFC 9110, 11.1).
        let value = head.authorization.as_deref().and_then(|value| value.split_first_chunk::<6>());
        value.is_some_and(|(scheme, rest)| {
            scheme.eq_ignore_ascii_case(b"Basic ")
                && bool::from(rest.ct_eq(&self.authorization.as_bytes()[6..]))
        })
    }

    async fn go(&self, client: TcpStream, head: Head, host: Host, port: u16, way: Way) {
        let mut entry =
            Entry { log: &self.log, host: &host, port, traffic: Traffic::new(), decision: Decision::Allowed };
        let checked = self.egress.check(&host, port).await;
        let addresses = match checked {
            // An operator may open 127.0.0.1, and even then no request comes back to this proxy.
            Ok(addresses) if addresses.iter().any(|to| to.ip().is_loopback() && to.port() == self.port) => {
                let text = "hermes refused the connection: it leads to this proxy itself".to_owned();
                entry.decision = Decision::Refused(text.clone());
                return Reply::new("403 Forbidden", text).send(client).await;
            }
            Ok(addresses) => addresses,
            Err(refusal) => {
                let text = refusal.to_string();
                let status = if refusal.is_by_rule() {
                    entry.decision = Decision::Refused(text.clone());
                    "403 Forbidden"
                } else {
                    entry.decision = Decision::Failed(text.clone());
                    "502 Bad Gateway"
                };
                return Reply::new(status, text).send(client).await;
            }
        };
        let server = match connect(&addresses).await {
            Ok(server) => server,
            Err(error) => {
                let text = format!("failed to connect to {host}:{port}: {error}");
                entry.decision = Decision::Failed(text.clone());
                return Reply::new("502 Bad Gateway", text).send(client).await;
            }
        };
        let _ = server.set_nodelay(true);
        let server = Counted::new(server, Arc::clone(&entry.traffic));
        let work = async {
            match way {
                // An end by an error is the end of the tunnel: nobody is left to read the error.
                Way::Tunnel => drop(tunnel::run(client, server, &head.rest).await),
                Way::Relay(url) => relay::run(client, server, head, &url).await,
            }
        };
        tokio::select! {
            () = work => {}
            () = entry.traffic.idle(self.limits.idle) => {}
        }
    }
}

/// Returns the target of a request.
fn target(head: &Head) -> Result<(Host, u16, Way), Reply> {
    let bad = |text: &str| Reply::new("400 Bad Request", text);
    if head.method == "CONNECT" {
        let (host, port) = split_port(&head.target).ok_or_else(|| bad("CONNECT needs HOST:PORT"))?;
        let host = Host::parse(host).ok_or_else(|| bad("the target is no host name and no address"))?;
        if head.has_body {
            return Err(bad("CONNECT has no body"));
        }
        return Ok((host, port, Way::Tunnel));
    }
    if !["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT"]
        .contains(&head.method.as_str())
    {
        return Err(Reply::new("405 Method Not Allowed", format!("the proxy serves no {}", head.method)));
    }
    let url = Url::parse(&head.target).ok().filter(|url| url.scheme() == "http");
    let url = url.ok_or_else(|| bad("the proxy serves CONNECT, and requests with an http:// URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("the URL holds a user: send Authorization instead"));
    }
    let host = Host::of(&url).ok_or_else(|| bad("the URL has no host name and no address"))?;
    let port =
        url.port_or_known_default().filter(|port| *port > 0).ok_or_else(|| bad("the URL has no port"))?;
    Ok((host, port, Way::Relay(url)))
}

/// A record in the making. It reaches the log at the end of the request, also if the proxy ends.
struct Entry<'a> {
    log: &'a Log,
    host: &'a Host,
    port: u16,
    traffic: Arc<Traffic>,
    decision: Decision,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        (self.log)(&Record {
            host: self.host.to_string(),
            port: self.port,
            decision: self.decision.clone(),
            sent: self.traffic.sent(),
            received: self.traffic.received(),
        });
    }
}
