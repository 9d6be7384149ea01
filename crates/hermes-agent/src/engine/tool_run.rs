//! The run of one tool call: its arguments, the gate, and its stored state.

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::engine::parts::{Engine, TOOLS_SIDE_BY_SIDE};
use crate::engine::progress::Progress;
use crate::message::{ToolCall, ToolResult};
use crate::store::{SessionId, StoreError, TurnId};
use crate::tools::{Effect, Invocation, ToolOutput};

/// The end of a run.
pub(super) struct ToolRun {
    pub(super) call: ToolCall,
    /// Fails if the store could not record the start. The tool did not run then.
    pub(super) result: Result<ToolResult, StoreError>,
}

/// Runs a call. Tools that only read run side by side; another one runs alone.
pub(super) fn tool_run(
    engine: &Engine,
    turn: TurnId,
    session: SessionId,
    call: ToolCall,
    report: mpsc::UnboundedSender<Progress>,
) -> BoxFuture<'_, ToolRun> {
    Box::pin(async move {
        let output = run(engine, turn, session, &call, &report).await;
        let result = output.map(|ToolOutput { content, is_error }| ToolResult {
            call_id: call.id.clone(),
            content,
            is_error,
        });
        ToolRun { call, result }
    })
}

async fn run(
    engine: &Engine,
    turn: TurnId,
    session: SessionId,
    call: &ToolCall,
    report: &mpsc::UnboundedSender<Progress>,
) -> Result<ToolOutput, StoreError> {
    let Some(tool) = engine.tools.find(&call.name) else {
        return Ok(ToolOutput::failed(format!("There is no tool {:?}. {}", call.name, known_tools(engine))));
    };
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    let arguments: Value = match serde_json::from_str(arguments) {
        Ok(arguments @ Value::Object(_)) => arguments,
        Ok(_) => return Ok(ToolOutput::failed("The arguments must be a JSON object.".to_owned())),
        Err(error) => return Ok(ToolOutput::failed(format!("The arguments are not valid JSON: {error}."))),
    };
    let share = if tool.effect() == Effect::Writes { TOOLS_SIDE_BY_SIDE } else { 1 };
    // Nobody closes the gate.
    let _permit = engine.gate.acquire_many(share).await.ok();
    engine.store.step(turn, vec![engine.started(call)]).await?;
    // The receiver lives as long as this future.
    let _ = report.send(Progress::ToolStarted(call.clone()));
    Ok(tool.run(Invocation { session, arguments }).await)
}

fn known_tools(engine: &Engine) -> String {
    let names: Vec<String> = engine.tools.schemas().into_iter().map(|schema| schema.name).collect();
    if names.is_empty() {
        "No tools are available.".to_owned()
    } else {
        format!("Use one of: {}.", names.join(", "))
    }
}
