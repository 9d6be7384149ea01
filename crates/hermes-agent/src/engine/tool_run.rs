//! The run of one tool call: its arguments, the approval, the gate, the stored state. A person may allow a second run, which reaches more
//! than the sandbox.

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{SemaphorePermit, mpsc};

use crate::approval::Reason;
use crate::engine::approve::{Call, Decision};
use crate::engine::parts::{Engine, TOOLS_SIDE_BY_SIDE};
use crate::engine::progress::Progress;
use crate::message::{ToolCall, ToolResult};
use crate::question::Asker;
use crate::store::{SessionId, StoreError, TurnId};
use crate::tools::policy::Verdict;
use crate::tools::{Effect, Invocation, Reach, Tool, ToolOutput, ToolSchema, arguments};

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
    asker: Option<Asker>,
) -> BoxFuture<'_, ToolRun> {
    Box::pin(async move {
        let output = run(engine, Call { session: &session, turn, call: &call, report: &report }, asker).await;
        let output = output.map(|output| engine.tools.pass(output));
        let result = output.map(|ToolOutput { content, is_error, .. }| ToolResult {
            call_id: call.id.clone(),
            content,
            is_error,
        });
        ToolRun { call, result }
    })
}

async fn run(engine: &Engine, call: Call<'_>, asker: Option<Asker>) -> Result<ToolOutput, StoreError> {
    let Some((schema, tool)) = engine.tools.find(&call.call.name) else {
        let text = format!("There is no tool {:?}. {}", call.call.name, known_tools(engine));
        return Ok(ToolOutput::failed(text));
    };
    let arguments = match arguments_of(call.call, schema) {
        Ok(arguments) => arguments,
        Err(fault) => return Ok(ToolOutput::failed(fault)),
    };
    let subject = tool.subject(&arguments);
    match engine.rules.before(subject.as_deref()) {
        Verdict::Run => {}
        Verdict::Refuse(text) => return Ok(ToolOutput::failed(text)),
        Verdict::Ask(reason) => {
            if let Decision::Denied(text) =
                engine.ask(call, subject.as_deref().unwrap_or_default(), reason).await?
            {
                return Ok(ToolOutput::failed(text));
            }
        }
    }
    let permit = engine.pass_gate(tool.effect()).await;
    engine.store.step(call.turn, vec![engine.started(call.call)]).await?;
    // The receiver lives as long as this future.
    let _ = call.report.send(Progress::ToolStarted(call.call.clone()));
    let invocation = Invocation { asker, ..Invocation::confined(call.session.clone(), arguments) };
    let output = engine.run_charged(tool.as_ref(), invocation.clone(), call.report).await?;
    // A question can wait for a minute. Other calls must not wait with it.
    drop(permit);
    match (output.refused, subject) {
        (Some(reason), Some(subject)) => {
            run_wider(engine, call, tool.as_ref(), invocation, output, &subject, reason).await
        }
        _ => Ok(output),
    }
}

/// Runs a call again with the reach of the machine, if a person allows it. Else the model gets the first output, and why there is no
/// other one.
async fn run_wider(
    engine: &Engine,
    call: Call<'_>,
    tool: &dyn Tool,
    invocation: Invocation,
    first: ToolOutput,
    subject: &str,
    reason: Reason,
) -> Result<ToolOutput, StoreError> {
    if !engine.rules.may_leave(subject)
        && let Decision::Denied(text) = engine.ask(call, subject, reason).await?
    {
        let content = format!("{}\n\n[The sandbox refused a part of this. {text}]", first.content);
        return Ok(ToolOutput { content, ..first });
    }
    let _permit = engine.pass_gate(tool.effect()).await;
    let invocation = Invocation { reach: Reach::Machine, ..invocation };
    let mut output = engine.run_charged(tool, invocation, call.report).await?;
    output.content.push_str("\n\n[This ran outside of the sandbox, after it had failed in it.]");
    Ok(output)
}

impl Engine {
    /// Waits until a tool with this effect may run. Tools that only read pass side by side. One without an effect takes no place: it may
    /// wait for a person.
    async fn pass_gate(&self, effect: Effect) -> Option<SemaphorePermit<'_>> {
        let share = match effect {
            // The other process can wait for a tool of this one.
            Effect::None | Effect::Elsewhere => return None,
            Effect::Reads => 1,
            Effect::Writes => TOOLS_SIDE_BY_SIDE,
        };
        // Nobody closes the gate.
        self.gate.acquire_many(share).await.ok()
    }
}

fn arguments_of(call: &ToolCall, schema: &ToolSchema) -> Result<Value, String> {
    let text = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    let mut given: Value =
        serde_json::from_str(text).map_err(|error| format!("The arguments are not valid JSON: {error}."))?;
    if !given.is_object() {
        return Err("The arguments must be a JSON object.".to_owned());
    }
    arguments::check(&schema.parameters, &mut given)?;
    Ok(given)
}

fn known_tools(engine: &Engine) -> String {
    let names: Vec<String> = engine.tools.schemas().into_iter().map(|schema| schema.name).collect();
    if names.is_empty() {
        "No tools are available.".to_owned()
    } else {
        format!("Use one of: {}.", names.join(", "))
    }
}
