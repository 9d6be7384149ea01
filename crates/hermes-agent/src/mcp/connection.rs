//! One connection to a server: the handshake, the list of tools, and calls.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation,
    PaginatedRequestParams, Tool as ServerTool,
};
use rmcp::service::{ClientInitializeError, RunningService};
use rmcp::transport::IntoTransport;
use rmcp::{ClientHandler, Peer, RoleClient, ServiceError, serve_client};
use serde_json::Map;

use super::error::McpError;
use super::lines::Cause;

/// The tools of a server at most. More are not read.
pub(super) const LISTED_MAX: usize = 10_000;

/// The pages of a list of tools at most.
const PAGES_MAX: usize = 100;

/// The characters of a text of a server in an error.
const TEXT_MAX: usize = 2_000;

/// The client as a server sees it. It offers nothing: no files, no model, no questions.
struct Client;

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let name = Implementation::new("hermes", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), name)
    }
}

/// A connection. Its drop ends the server if it runs in the sandbox.
pub(super) struct Connection {
    service: RunningService<RoleClient, Client>,
    cause: Cause,
}

impl Connection {
    /// Makes the handshake.
    pub(super) async fn begin<T, E, A>(transport: T, cause: Cause) -> Result<Self, McpError>
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        match serve_client(Client, transport).await {
            Ok(service) => Ok(Self { service, cause }),
            Err(ClientInitializeError::JsonRpcError(error)) => Err(McpError::Refused(short(&error.message))),
            Err(error) => Err(match (cause.get(), error) {
                (Some(cause), _) => McpError::Ended(cause),
                // The names of the transports say nothing to a person.
                (None, ClientInitializeError::TransportError { error, .. }) => {
                    McpError::Start(short(&hermes_core::chain(&*error.error)))
                }
                (None, error) => McpError::Protocol(short(&hermes_core::chain(&error))),
            }),
        }
    }

    /// Returns `true` if it can be used.
    pub(super) fn is_open(&self) -> bool {
        !self.service.is_closed() && !self.service.peer().is_transport_closed()
    }

    /// Returns the name and the version of the server, as it says.
    pub(super) fn server(&self) -> Option<String> {
        let info = self.service.peer().peer_info()?;
        let server = info.server_info.as_ref()?;
        Some(short(format!("{} {}", server.name, server.version).trim()))
    }

    pub(super) fn caller(&self) -> Caller {
        Caller { peer: self.service.peer().clone(), cause: self.cause.clone() }
    }
}

/// The side of a connection that makes requests.
#[derive(Clone)]
pub(super) struct Caller {
    peer: Peer<RoleClient>,
    cause: Cause,
}

impl Caller {
    /// Returns the tools of the server.
    pub(super) async fn tools(&self) -> Result<Vec<ServerTool>, McpError> {
        let mut tools = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let page = PaginatedRequestParams::default().with_cursor(cursor.take());
            let page = self.peer.list_tools(Some(page)).await.map_err(|error| self.error(&error))?;
            tools.extend(page.tools);
            if tools.len() > LISTED_MAX {
                return Err(McpError::Protocol(format!("it has more than {LISTED_MAX} tools")));
            }
            cursor = page.next_cursor.filter(|cursor| !cursor.is_empty());
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(McpError::Protocol(format!("its list of tools has more than {PAGES_MAX} pages")))
    }

    /// Calls a tool. Dropping the future cancels the call.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Map<String, serde_json::Value>,
        limit: Duration,
    ) -> Result<CallToolResult, McpError> {
        let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        match tokio::time::timeout(limit, self.peer.call_tool(call)).await {
            Ok(result) => result.map_err(|error| self.error(&error)),
            Err(_) => Err(McpError::Silent(limit)),
        }
    }

    fn error(&self, error: &ServiceError) -> McpError {
        match error {
            ServiceError::McpError(error) => McpError::Refused(short(&error.message)),
            ServiceError::UnexpectedResponse => {
                McpError::Protocol("its answer has not the form of the protocol".to_owned())
            }
            error => McpError::Ended(self.cause.get().unwrap_or_else(|| {
                short(&match error {
                    ServiceError::TransportSend(error) => hermes_core::chain(&*error.error),
                    error => hermes_core::chain(error),
                })
            })),
        }
    }
}

/// Cuts a text of a server.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
