//! The tool `terminal`: runs a command of a shell in the sandbox.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::background::Processes;
use super::confinement::{Call, Confinement};
use super::output::Output;
use super::{Effect, Invocation, Reach, Tool, ToolOutput, ToolSchema};
use crate::approval::Reason;
use crate::sandbox::{Ended, Streams, Task};
use crate::settings::NetworkMode;

/// The longest time limit that the model may set, in seconds.
const TIMEOUT_MAX: u64 = 600;

/// Texts in the output of a command that failed for the lack of a network.
const NETWORK_SIGNS: &[&str] = &[
    "Could not resolve host",
    "Couldn't resolve host",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Failed to connect",
    "socket: Permission denied",
    "socket: Operation not permitted",
];

/// Texts in the output of a command that failed for the lack of a permission.
const FILE_SIGNS: &[&str] = &["Permission denied", "Operation not permitted", "Read-only file system"];

/// The tool.
#[derive(Debug)]
pub(crate) struct TerminalTool {
    confinement: Arc<Confinement>,
    processes: Arc<Processes>,
}

#[derive(Deserialize)]
struct Arguments {
    command: String,
    #[serde(default)]
    background: bool,
    #[serde(default)]
    timeout: Option<u64>,
    #[serde(default)]
    workdir: Option<String>,
    #[serde(default)]
    pty: bool,
}

impl TerminalTool {
    pub(crate) fn new(confinement: Arc<Confinement>, processes: Arc<Processes>) -> Self {
        Self { confinement, processes }
    }

    async fn foreground(&self, arguments: &Arguments, reach: Reach) -> ToolOutput {
        let streams = if arguments.pty { Streams::Terminal } else { Streams::Output };
        let limit = arguments.timeout.map_or(self.confinement.time_limit(), Duration::from_secs);
        let task = shell(&arguments.command, streams);
        let call = self.confinement.start(task, reach, arguments.workdir.as_deref(), Some(limit)).await;
        let mut call = match call {
            Ok(call) => call,
            Err(error) => return ToolOutput::failed(error.to_string()),
        };
        let mut output = self.confinement.outputs().begin();
        if let Some(mut pipe) = call.running.take_output() {
            pipe.each_piece(|piece| {
                output.push(piece);
                ControlFlow::Continue(())
            })
            .await;
        }
        let ended = call.running.ended().await;
        let refused = (reach == Reach::Sandbox && ended != Ended::Exited { code: 0 })
            .then(|| refused(&output, &call, self.confinement.network()))
            .flatten();
        let mut content = output.text();
        for refusal in call.refusals() {
            content.push_str(&format!("\n[The proxy refused a connection: {refusal}]"));
        }
        content.push_str(&format!("\n{}", line_of(&ended, limit)));
        ToolOutput { content, is_error: ended != Ended::Exited { code: 0 }, refused }
    }

    async fn background(&self, arguments: &Arguments, session: &str, reach: Reach) -> ToolOutput {
        let streams = if arguments.pty { Streams::Terminal } else { Streams::Pipes };
        let task = shell(&arguments.command, streams);
        match self.confinement.start(task, reach, arguments.workdir.as_deref(), None).await {
            Ok(call) => match self.processes.add(session, &arguments.command, call) {
                Ok(id) => ToolOutput::done(format!(
                    "It runs in the background as {id}. Use process to read its output or to end it. It ends with this agent."
                )),
                Err(fault) => ToolOutput::failed(fault),
            },
            Err(error) => ToolOutput::failed(error.to_string()),
        }
    }
}

impl Tool for TerminalTool {
    fn schema(&self) -> ToolSchema {
        ToolSchema {
            name: "terminal".to_owned(),
            description: "Runs a shell command in a sandbox. The workspace, $HOME and $TMPDIR are writable. Each call is a new shell."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "command": {"type": "string"},
                    "background": {"type": "boolean", "description": "for servers: returns at once, see process"},
                    "timeout": {"type": "integer", "minimum": 1, "maximum": TIMEOUT_MAX, "description": "seconds"},
                    "workdir": {"type": "string", "description": "default: the workspace"},
                    "pty": {"type": "boolean", "description": "for programs that need a terminal"},
                },
                "required": ["command"],
            }),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Writes
    }

    fn subject(&self, arguments: &Value) -> Option<String> {
        Some(arguments["command"].as_str().unwrap_or_default().to_owned())
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move {
            let Invocation { session, arguments, reach, .. } = call;
            match serde_json::from_value::<Arguments>(arguments) {
                Ok(arguments) if arguments.background => {
                    self.background(&arguments, session.as_str(), reach).await
                }
                Ok(arguments) => self.foreground(&arguments, reach).await,
                Err(error) => ToolOutput::failed(format!("failed to read the arguments: {error}")),
            }
        })
    }
}

fn shell(command: &str, streams: Streams) -> Task {
    let arguments = ["/bin/bash", "-c", command].map(str::to_owned).into();
    Task::Command { arguments, streams }
}

/// Returns the part of the sandbox that seems to have refused something, by the words of the output.
fn refused(output: &Output, call: &Call, network: NetworkMode) -> Option<Reason> {
    let end = output.end();
    let has = |signs: &[&str]| signs.iter().any(|sign| end.contains(sign));
    if network != NetworkMode::Open && (has(NETWORK_SIGNS) || !call.refusals().is_empty()) {
        return Some(Reason::Network);
    }
    has(FILE_SIGNS).then_some(Reason::Files)
}

/// Returns the line about the end of a call.
pub(crate) fn line_of(ended: &Ended, limit: Duration) -> String {
    match ended {
        Ended::Exited { code } => format!("[exit code {code}]"),
        Ended::Killed { signal } => format!("[ended by signal {signal}]"),
        Ended::TimedOut => format!(
            "[ended after its time limit of {} s; raise timeout, or use background for what runs on]",
            limit.as_secs()
        ),
        Ended::NotConfined { cause } => {
            format!(
                "[did not start: the sandbox could not be made: {cause}; tell the operator to run hermes doctor]"
            )
        }
        Ended::NotStarted { cause } => format!("[did not start: {cause}]"),
        Ended::Lost { cause } => format!("[its supervisor was lost, so its effect is unknown: {cause}]"),
    }
}
