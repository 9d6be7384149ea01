//! The proxy of tools: an HTTP proxy on a loopback port, for one owner, that goes where [`Egress`] allows.
//!
//! It serves `CONNECT` and plain `http://` requests. Each connection serves one request, so nothing is left to confuse a second one.

mod connection;
mod head;
mod record;
mod relay;
mod reply;
mod tunnel;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::resolver::Egress;
use connection::Gate;
pub use connection::Limits;
pub use record::{Decision, Log, Record};

/// The pause after a failed accept, as when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The user in the URL of the proxy.
const USER: &str = "hermes";

/// A running proxy. Dropping it ends the listener and all connections.
pub struct Proxy {
    port: u16,
    token: String,
    task: JoinHandle<()>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts a proxy on a free port of 127.0.0.1. The log gets a record at the end of each request.
    ///
    /// # Errors
    /// Fails if the system gives no port or no random bytes.
    pub async fn start(egress: Arc<Egress>, log: Log) -> io::Result<Self> {
        Self::start_with(egress, log, Limits::default()).await
    }

    /// Starts a proxy with other limits.
    ///
    /// # Errors
    /// Fails as [`Proxy::start`] does.
    pub async fn start_with(egress: Arc<Egress>, log: Log, limits: Limits) -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let token = format!("{:032x}", u128::from_ne_bytes(bytes));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let gate = Gate::new(egress, log, limits, port, &format!("{USER}:{token}"));
        let task = tokio::spawn(accept(listener, Arc::new(gate), limits.connections));
        Ok(Self { port, token, task })
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the variables that lead programs to the proxy. They hold its token: only its own processes may have them.
    ///
    /// curl, git, pip, cargo, npm and Go read the variables. `NODE_USE_ENV_PROXY` makes Node's `fetch` read them.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let url = format!("http://{USER}:{}@127.0.0.1:{}", self.token, self.port);
        let mut variables = BTreeMap::from([("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned())]);
        for (name, value) in
            [("HTTP_PROXY", &url), ("HTTPS_PROXY", &url), ("ALL_PROXY", &url), ("NO_PROXY", &String::new())]
        {
            variables.insert(name.to_owned(), value.clone());
            variables.insert(name.to_ascii_lowercase(), value.clone());
        }
        variables
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The task owns the listener and the tasks of all connections.
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, gate: Arc<Gate>, connections: usize) {
    let places = Arc::new(Semaphore::new(connections));
    let mut tasks = JoinSet::new();
    loop {
        // Further clients wait in the queue of the kernel.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let client = loop {
            match listener.accept().await {
                Ok((client, _)) => break client,
                Err(_) => sleep_until(Instant::now() + ACCEPT_PAUSE).await,
            }
        };
        while tasks.try_join_next().is_some() {}
        let gate = Arc::clone(&gate);
        tasks.spawn(async move {
            gate.serve(client).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests;
