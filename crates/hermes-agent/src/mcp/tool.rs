//! A tool of a server, as the engine runs it.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::error::McpError;
use super::result::text_of;
use super::schema::Listed;
use super::server::Server;
use crate::tools::{Effect, Invocation, Tool, ToolOutput, ToolSchema};

/// The tool.
pub(super) struct McpTool {
    server: Arc<Server>,
    listed: Listed,
}

impl McpTool {
    pub(super) fn new(server: Arc<Server>, listed: Listed) -> Self {
        Self { server, listed }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        let Value::Object(arguments) = arguments else {
            return ToolOutput::failed("The arguments must be a JSON object.");
        };
        let result = match self.server.call(&self.listed.name, arguments).await {
            Ok(result) => result,
            Err(error) => return ToolOutput::failed(self.sentence(&error)),
        };
        let content = self.server.without_secrets(text_of(&result));
        ToolOutput { content, is_error: result.is_error.unwrap_or(false), refused: None }
    }

    /// Returns the text of a failure for the model.
    fn sentence(&self, error: &McpError) -> String {
        let server = &self.server.settings.name;
        let effect = match error {
            McpError::Silent(_) | McpError::Ended(_) | McpError::Protocol(_) => {
                " The call may have taken effect; check before repeating."
            }
            _ => "",
        };
        format!("The call of the MCP server {server} failed: {error}.{effect}")
    }
}

impl Tool for McpTool {
    fn schema(&self) -> ToolSchema {
        self.listed.schema.clone()
    }

    fn effect(&self) -> Effect {
        self.listed.effect
    }

    /// Returns the name and the arguments. So `approvals.deny` and the mode `ask` hold for the servers, too.
    fn subject(&self, arguments: &Value) -> Option<String> {
        Some(format!("{} {arguments}", self.listed.schema.name))
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(self.call(call.arguments))
    }
}
