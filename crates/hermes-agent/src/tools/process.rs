//! The tool `process`: reads, feeds and ends processes in the background.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::background::{Process, Processes};
use super::terminal::line_of;
use super::{Effect, Invocation, Tool, ToolOutput, ToolSchema};

/// The longest wait, in seconds.
const WAIT_MAX: u64 = 300;

/// The longest output of one call, in bytes.
const OUTPUT_MAX: usize = 50 * 1024;

/// The tool.
#[derive(Debug)]
pub(crate) struct ProcessTool {
    processes: Arc<Processes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    List,
    Poll,
    Log,
    Wait,
    Kill,
    Write,
    Submit,
    Close,
}

#[derive(Deserialize)]
struct Arguments {
    action: Action,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    timeout: Option<u64>,
}

impl ProcessTool {
    pub(crate) fn new(processes: Arc<Processes>) -> Self {
        Self { processes }
    }

    async fn act(&self, session: &str, arguments: &Arguments) -> ToolOutput {
        if arguments.action == Action::List {
            let all = self.processes.of_session(session);
            let lines: Vec<String> = all.iter().map(|process| line(process)).collect();
            let nothing = "No process runs in the background.".to_owned();
            return ToolOutput::done(if lines.is_empty() { nothing } else { lines.join("\n") });
        }
        let id = arguments.session_id.as_deref().unwrap_or_default();
        let Some(process) = self.processes.find(session, id) else {
            return ToolOutput::failed(format!("There is no process {id:?}. Use the action list."));
        };
        let data = arguments.data.as_deref().unwrap_or_default();
        match arguments.action {
            Action::List | Action::Poll => {}
            Action::Log => {
                return ToolOutput::done(format!("{}\n{}", newest(&process.output()), line(&process)));
            }
            Action::Wait => {
                process.wait(Duration::from_secs(arguments.timeout.unwrap_or(60))).await;
            }
            Action::Kill => {
                process.kill();
                return ToolOutput::done(format!("{id} is ended, with all that it started."));
            }
            Action::Write | Action::Submit => {
                let text =
                    if arguments.action == Action::Submit { format!("{data}\n") } else { data.to_owned() };
                if let Err(error) = process.input.send(text.as_bytes()).await {
                    return ToolOutput::failed(error.to_string());
                }
            }
            Action::Close => {
                if let Err(error) = process.input.close().await {
                    return ToolOutput::failed(error.to_string());
                }
            }
        }
        ToolOutput::done(format!("{}\n{}", newest(&process.news()), line(&process)))
    }
}

impl Tool for ProcessTool {
    fn schema(&self) -> ToolSchema {
        ToolSchema {
            name: "process".to_owned(),
            description:
                "Controls processes in the background. poll returns new output, submit sends a line."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "action": {
                        "type": "string",
                        "enum": ["list", "poll", "log", "wait", "kill", "write", "submit", "close"],
                    },
                    "session_id": {"type": "string", "description": "proc_N"},
                    "data": {"type": "string"},
                    "timeout": {"type": "integer", "minimum": 1, "maximum": WAIT_MAX, "description": "seconds of wait"},
                },
                "required": ["action"],
            }),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Writes
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move {
            match serde_json::from_value::<Arguments>(call.arguments) {
                Ok(arguments) => self.act(call.session.as_str(), &arguments).await,
                Err(error) => ToolOutput::failed(format!("failed to read the arguments: {error}")),
            }
        })
    }
}

/// Returns the line about a process.
fn line(process: &Process) -> String {
    let age = process.started.elapsed().as_secs();
    let state = match process.ended() {
        Some(ended) => line_of(&ended, Duration::ZERO),
        None if process.was_killed() => "[ended by kill]".to_owned(),
        None => format!("[runs for {age} s]"),
    };
    format!("{} {state} {}", process.id, process.command.lines().next().unwrap_or_default())
}

/// Returns the end of a long output.
fn newest(text: &str) -> String {
    let mut start = text.len().saturating_sub(OUTPUT_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    if start == 0 {
        return text.to_owned();
    }
    format!("[{start} bytes before this are left out]\n{}", &text[start..])
}
