//! One server: its connection, which a call makes again after a failure, and the back-off.

use std::time::Duration;

use futures_util::future::BoxFuture;
use rmcp::model::{CallToolResult, Tool as ServerTool};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::{Caller, Connection};
use super::error::McpError;
use crate::settings::{McpServer, Secret};

/// The wait after the first failure. Each further one doubles it.
const BACK_OFF: Duration = Duration::from_secs(1);

/// The longest wait.
const BACK_OFF_MAX: Duration = Duration::from_secs(5 * 60);

/// The longest wait that a call takes upon itself.
const PATIENCE: Duration = Duration::from_secs(4);

/// The calls without an answer, one after the other, that end a connection.
const SILENT_MAX: u32 = 2;

/// The characters of a secret at least. A shorter one is part of ordinary words.
const SECRET_MIN: usize = 6;

/// Makes a connection, with the handshake.
pub(super) type Start = Box<dyn Fn() -> BoxFuture<'static, Result<Connection, McpError>> + Send + Sync>;

/// A server.
pub(super) struct Server {
    pub(super) settings: McpServer,
    start: Start,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// The number of connections so far.
    number: u64,
    /// The failures since the last answer.
    failures: u32,
    /// The cause of the last one.
    cause: String,
    /// The time of the next start at the earliest.
    due: Option<Instant>,
    /// The calls without an answer since the last answer.
    silent: u32,
}

impl State {
    fn failed(&mut self, error: &McpError) {
        self.connection = None;
        let wait = BACK_OFF.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(BACK_OFF_MAX);
        self.failures += 1;
        self.silent = 0;
        self.cause = error.to_string();
        self.due = Some(Instant::now() + wait);
    }

    fn answered(&mut self) {
        (self.failures, self.silent, self.due) = (0, 0, None);
    }
}

impl Server {
    pub(super) fn new(settings: McpServer, start: Start) -> Self {
        Self { settings, start, state: Mutex::default() }
    }

    /// Connects, and returns the tools and the name of the server.
    pub(super) async fn tools(&self) -> Result<(Vec<ServerTool>, Option<String>), McpError> {
        let limit = self.settings.connect_timeout;
        let deadline = Instant::now() + limit;
        let (caller, number) = self.caller().await?;
        let tools = timeout_at(deadline, caller.tools()).await.unwrap_or(Err(McpError::Silent(limit)));
        let mut state = self.state.lock().await;
        match tools {
            Ok(tools) => Ok((tools, state.connection.as_ref().and_then(Connection::server))),
            Err(error) => {
                let error = self.masked(error);
                if state.number == number {
                    state.failed(&error);
                }
                Err(error)
            }
        }
    }

    /// Calls a tool. Dropping the future cancels the call.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
    ) -> Result<CallToolResult, McpError> {
        let (caller, number) = self.caller().await?;
        let result = caller.call(tool, arguments, self.settings.timeout).await;
        let result = result.map_err(|error| self.masked(error));
        let mut state = self.state.lock().await;
        let is_current = state.number == number;
        match &result {
            Ok(_) | Err(McpError::Refused(_)) => state.answered(),
            Err(error @ McpError::Silent(_)) if is_current => {
                state.silent += 1;
                // One slow call is no sign of a hanging server.
                if state.silent >= SILENT_MAX {
                    state.failed(error);
                }
            }
            Err(error @ McpError::Ended(_)) if is_current => state.failed(error),
            Err(_) => {}
        }
        result
    }

    /// Returns the connection, with its number. Makes one if there is none.
    async fn caller(&self) -> Result<(Caller, u64), McpError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|connection| connection.is_open()) {
            return Ok((connection.caller(), state.number));
        }
        // It ended between two calls.
        state.connection = None;
        if let Some(due) = state.due {
            let wait = due.saturating_duration_since(Instant::now());
            if wait > PATIENCE {
                return Err(McpError::Waits { failures: state.failures, wait, cause: state.cause.clone() });
            }
            sleep(wait).await;
        }
        let limit = self.settings.connect_timeout;
        let started = timeout(limit, (self.start)()).await.unwrap_or(Err(McpError::Silent(limit)));
        match started {
            Ok(connection) => {
                let caller = connection.caller();
                state.number += 1;
                state.connection = Some(connection);
                Ok((caller, state.number))
            }
            Err(error) => {
                let error = self.masked(error);
                state.failed(&error);
                Err(error)
            }
        }
    }

    /// Removes the secrets of the settings from a text.
    pub(super) fn without_secrets(&self, text: String) -> String {
        let mut secrets: Vec<&Secret> = self.settings.secrets.iter().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        secrets.into_iter().fold(text, |text, secret| secret.hide_in(text, SECRET_MIN, "[secret]"))
    }

    fn masked(&self, error: McpError) -> McpError {
        match error {
            McpError::Start(text) => McpError::Start(self.without_secrets(text)),
            McpError::Ended(text) => McpError::Ended(self.without_secrets(text)),
            McpError::Protocol(text) => McpError::Protocol(self.without_secrets(text)),
            McpError::Refused(text) => McpError::Refused(self.without_secrets(text)),
            error => error,
        }
    }
}
