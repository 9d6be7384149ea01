//! A file tool of the engine: it runs in a confined process of this program.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::confinement::Confinement;
use super::terminal::line_of;
use super::{Effect, Invocation, Reach, Tool, ToolOutput, ToolSchema, files};
use crate::sandbox::{Ended, Task};

/// The time limit of a file tool.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The longest output, in bytes. A file tool limits its output itself, and JSON may double it.
const OUTPUT_MAX: usize = 1024 * 1024;

/// A file tool.
pub(crate) struct ConfinedTool {
    schema: ToolSchema,
    confinement: Arc<Confinement>,
}

impl ConfinedTool {
    pub(crate) fn new(schema: ToolSchema, confinement: Arc<Confinement>) -> Self {
        Self { schema, confinement }
    }

    async fn call(&self, arguments: Value, reach: Reach) -> ToolOutput {
        let path = arguments["path"].as_str().unwrap_or_default().to_owned();
        let task = Task::Tool { name: self.schema.name.clone(), arguments };
        let mut call = match self.confinement.start(task, reach, None, Some(TIME_LIMIT)).await {
            Ok(call) => call,
            Err(error) => return ToolOutput::failed(error.to_string()),
        };
        let mut bytes = Vec::new();
        if let Some(mut pipe) = call.running.take_output() {
            pipe.each_piece(|piece| {
                bytes.extend_from_slice(piece);
                if bytes.len() > OUTPUT_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await;
        }
        if bytes.len() > OUTPUT_MAX {
            return ToolOutput::failed("The output is too long. Read a smaller part.");
        }
        let ended = call.running.ended().await;
        match serde_json::from_slice::<ToolOutput>(&bytes) {
            Ok(output) if ended == (Ended::Exited { code: 0 }) => {
                // No approval opens the volume, so nobody is asked.
                let can_be_opened = reach == Reach::Sandbox && !self.confinement.is_in_volume(&path);
                let refused = output.refused.filter(|_| can_be_opened);
                ToolOutput { refused, ..output }
            }
            _ => ToolOutput::failed(line_of(&ended, TIME_LIMIT)),
        }
    }
}

impl Tool for ConfinedTool {
    fn schema(&self) -> ToolSchema {
        self.schema.clone()
    }

    fn effect(&self) -> Effect {
        files::effect(&self.schema.name).unwrap_or(Effect::Writes)
    }

    /// Returns the paths. An approval is for these paths, and not for the texts that are written.
    fn subject(&self, arguments: &Value) -> Option<String> {
        let path = arguments["path"].as_str().or_else(|| arguments["patch"].as_str()).unwrap_or(".");
        Some(format!("{} {path}", self.schema.name))
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        let Invocation { arguments, reach, .. } = call;
        Box::pin(self.call(arguments, reach))
    }
}
