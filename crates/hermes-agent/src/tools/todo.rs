//! The tool `todo`: the list of tasks of a session. A result has the whole list, so the conversation keeps it. After a restart the list
//! is empty, and the model writes it again.

use std::fmt::Write;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::json;

use super::{Effect, Invocation, Tool, ToolOutput, ToolSchema, arguments};
use crate::store::SessionId;

/// The sessions whose lists are kept.
const SESSIONS_MAX: usize = 256;

/// The most tasks of a list.
const TASKS_MAX: usize = 100;

/// The most characters of an ID and of a task.
const ID_CHARACTERS: usize = 40;
const CONTENT_CHARACTERS: usize = 500;

/// The tool.
#[derive(Debug, Default)]
pub struct TodoTool {
    /// The sessions, the one that was used last at the end.
    sessions: Mutex<Vec<(SessionId, Vec<Task>)>>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Task {
    id: String,
    content: String,
    status: Status,
}

/// The status of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    #[default]
    Pending,
    InProgress,
    Completed,
    Cancelled,
}

/// The arguments.
#[derive(Deserialize)]
struct Arguments {
    todos: Option<Vec<Item>>,
    #[serde(default)]
    merge: bool,
}

/// A task of the arguments. A change of a known task may leave out parts.
#[derive(Deserialize)]
struct Item {
    id: String,
    content: Option<String>,
    status: Option<Status>,
}

impl TodoTool {
    /// Creates the tool, with no list.
    pub fn new() -> Self {
        Self::default()
    }

    fn call(&self, session: SessionId, arguments: Arguments) -> ToolOutput {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sessions.iter().position(|(id, _)| *id == session);
        let before = at.map(|at| sessions.remove(at).1).unwrap_or_default();
        let result = match arguments.todos {
            None => Ok(before.clone()),
            Some(items) => changed(if arguments.merge { &before } else { &[] }, items),
        };
        let (tasks, output) = match result {
            Ok(tasks) => {
                let text = text(&tasks);
                (tasks, ToolOutput::done(text))
            }
            Err(message) => (before, ToolOutput::failed(message)),
        };
        if !tasks.is_empty() {
            sessions.push((session, tasks));
        }
        let more = sessions.len().saturating_sub(SESSIONS_MAX);
        sessions.drain(..more);
        output
    }
}

/// Returns the list with the items: changed ones at their place, new ones at the end.
fn changed(before: &[Task], items: Vec<Item>) -> Result<Vec<Task>, String> {
    let mut tasks = before.to_vec();
    for Item { id, content, status } in items {
        let id = one_line(&id, ID_CHARACTERS);
        let content =
            content.map(|content| one_line(&content, CONTENT_CHARACTERS)).filter(|text| !text.is_empty());
        if let Some(task) = tasks.iter_mut().find(|task| task.id == id) {
            task.status = status.unwrap_or(task.status);
            task.content = content.unwrap_or_else(|| task.content.clone());
            continue;
        }
        let Some(content) = content else {
            let hint = "hint: send the whole list, each task with `content`";
            return Err(format!("failed to change the list: there is no task {id}\n{hint}"));
        };
        tasks.push(Task { id, content, status: status.unwrap_or_default() });
    }
    if tasks.len() > TASKS_MAX {
        return Err(format!("failed to change the list: it has more than {TASKS_MAX} tasks"));
    }
    Ok(tasks)
}

fn one_line(text: &str, limit: usize) -> String {
    let text = crate::prompt::text_file::one_line(text);
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn text(tasks: &[Task]) -> String {
    if tasks.is_empty() {
        return "the list is empty".to_owned();
    }
    let mut text = String::new();
    for Task { id, content, status } in tasks {
        let sign = match status {
            Status::Pending => ' ',
            Status::InProgress => '>',
            Status::Completed => 'x',
            Status::Cancelled => '-',
        };
        let _ = writeln!(text, "[{sign}] {id}: {content}");
    }
    let done = tasks.iter().filter(|task| task.status == Status::Completed).count();
    let _ = write!(text, "{done} of {} completed", tasks.len());
    text
}

impl Tool for TodoTool {
    fn schema(&self) -> ToolSchema {
        let status = ["pending", "in_progress", "completed", "cancelled"];
        ToolSchema {
            name: "todo".to_owned(),
            description: "Keeps the list of tasks of this session, for work of several steps. Without todos it shows the list."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "todos": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "id": {"type": "string"},
                                "content": {"type": "string"},
                                "status": {"type": "string", "enum": status},
                            },
                            "required": ["id"],
                        },
                    },
                    "merge": {"type": "boolean", "description": "change these tasks and keep the others"},
                },
            }),
        }
    }

    fn effect(&self) -> Effect {
        // It changes the list alone. Two calls side by side could lose a change of the model's order.
        Effect::Writes
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move {
            match arguments::parse(&self.schema(), call.arguments) {
                Ok(arguments) => self.call(call.session, arguments),
                Err(faults) => ToolOutput::failed(faults),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    async fn call(tool: &TodoTool, session: &str, arguments: Value) -> ToolOutput {
        tool.run(Invocation::confined(session.into(), arguments)).await
    }

    #[tokio::test]
    async fn each_result_has_the_whole_list() {
        let tool = TodoTool::new();
        let list = json!({"todos": [
            {"id": 1, "content": "read\nit", "status": "in_progress"},
            {"id": "2", "content": "write"},
        ]});
        let written = call(&tool, "s", list).await;
        assert_eq!(written, ToolOutput::done("[>] 1: read it\n[ ] 2: write\n0 of 2 completed"));
        let merged = json!({
            "merge": true,
            "todos": [{"id": "1", "status": "completed"}, {"id": "3", "content": "rest", "status": "cancelled"}],
        });
        let expected = "[x] 1: read it\n[ ] 2: write\n[-] 3: rest\n1 of 3 completed";
        assert_eq!(call(&tool, "s", merged).await.content, expected);
        assert_eq!(
            call(&tool, "s", json!({})).await.content,
            expected,
            "a call without todos shows the list"
        );
        assert_eq!(call(&tool, "other", json!({})).await.content, "the list is empty");
        assert_eq!(call(&tool, "s", json!({"todos": []})).await.content, "the list is empty");
    }

    #[tokio::test]
    async fn a_change_of_an_unknown_task_keeps_the_list() {
        let tool = TodoTool::new();
        call(&tool, "s", json!({"todos": [{"id": "1", "content": "a"}]})).await;
        let arguments = json!({"merge": true, "todos": [{"id": "1", "status": "completed"}, {"id": "9", "status": "completed"}]});
        let failed = call(&tool, "s", arguments).await;
        assert!(failed.is_error && failed.content.contains("there is no task 9\nhint: send the whole list"));
        assert_eq!(call(&tool, "s", json!({})).await.content, "[ ] 1: a\n0 of 1 completed");
    }

    #[tokio::test]
    async fn lists_and_sessions_are_bounded() {
        let tool = TodoTool::new();
        let many: Vec<Value> =
            (0..=TASKS_MAX).map(|id| json!({"id": id, "content": "x".repeat(1_000)})).collect();
        assert!(call(&tool, "s", json!({"todos": many})).await.is_error);
        let fitting = call(&tool, "s", json!({"todos": many[..TASKS_MAX]})).await;
        assert!(!fitting.is_error && fitting.content.len() < 60_000);
        for session in 0..SESSIONS_MAX {
            call(&tool, &session.to_string(), json!({"todos": [{"id": "1", "content": "a"}]})).await;
        }
        assert_eq!(call(&tool, "s", json!({})).await.content, "the list is empty", "the oldest one went");
        assert_eq!(tool.sessions.lock().unwrap().len(), SESSIONS_MAX);
    }
}
