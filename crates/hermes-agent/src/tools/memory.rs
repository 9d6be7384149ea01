//! The tool `memory`: it changes what an agent remembers in all its sessions. It runs in the process of the engine.

use std::path::PathBuf;
use std::pin::Pin;

use hermes_core::chain;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, Invocation, Tool, ToolOutput, ToolSchema, arguments, blocking};
use crate::memory::MemoryFile;
use crate::memory::edit::{Edit, edit};
use crate::settings::Memory;

/// The tool.
#[derive(Clone, Debug)]
pub struct MemoryTool {
    profile: PathBuf,
    settings: Memory,
}

impl MemoryTool {
    /// Creates the tool for the directory of a profile.
    pub fn new(profile: impl Into<PathBuf>, settings: Memory) -> Self {
        Self { profile: profile.into(), settings }
    }

    /// Makes a change. It waits for another writer and for the disk.
    fn change(&self, arguments: Arguments) -> ToolOutput {
        let (file, limit, setting) = match arguments.target {
            Target::Memory => (MemoryFile::Memory, self.settings.memory_limit(), "memory.memory_enabled"),
            Target::User => (MemoryFile::User, self.settings.user_limit(), "memory.user_profile_enabled"),
        };
        let Some(limit) = limit else {
            return ToolOutput::failed(format!("failed to change the memory: {setting} is false"));
        };
        let missing = |name: &str, action: &str| {
            ToolOutput::failed(format!("`{name}` is missing; action {action} needs it"))
        };
        let change = match (arguments.action, arguments.old_text, arguments.content) {
            (Action::Add, _, Some(content)) => Edit::Add { content },
            (Action::Add, _, None) => return missing("content", "add"),
            (Action::Replace, Some(old_text), Some(content)) => Edit::Replace { old_text, content },
            (Action::Replace, None, _) => return missing("old_text", "replace"),
            (Action::Replace, _, None) => return missing("content", "replace"),
            (Action::Remove, Some(old_text), _) => Edit::Remove { old_text },
            (Action::Remove, None, _) => return missing("old_text", "remove"),
        };
        let edited = match edit(&self.profile, file, &change, limit) {
            Ok(edited) => edited,
            Err(error) => return ToolOutput::failed(chain(&error)),
        };
        let done = match (&change, edited.changed) {
            (_, false) => "nothing changed: the entry is there",
            (Edit::Add { .. }, true) => "added",
            (Edit::Replace { .. }, true) => "replaced",
            (Edit::Remove { .. }, true) => "removed",
        };
        let mut text = format!("{done}; {} entries, {} of {limit} characters", edited.entries, edited.used);
        if let Some(name) = edited.backup.as_deref().and_then(|path| path.file_name()) {
            text.push_str(&format!("\nThe file had another form. Its copy is {}.", name.display()));
        }
        ToolOutput::done(text)
    }
}

/// The arguments.
#[derive(Deserialize)]
struct Arguments {
    action: Action,
    #[serde(default)]
    target: Target,
    content: Option<String>,
    old_text: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Add,
    Replace,
    Remove,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    #[default]
    Memory,
    User,
}

impl Tool for MemoryTool {
    fn schema(&self) -> ToolSchema {
        ToolSchema {
            name: "memory".to_owned(),
            description: "Changes what you remember. Later sessions see it in their prompt. Store short facts that stay true, \
                          not progress of a task."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "action": {"type": "string", "enum": ["add", "replace", "remove"]},
                    "target": {
                        "type": "string",
                        "enum": ["memory", "user"],
                        "description": "your notes (default), or facts about the user",
                    },
                    "content": {"type": "string", "description": "the new entry"},
                    "old_text": {"type": "string", "description": "a part of the entry to replace or remove"},
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
            match arguments::parse(&self.schema(), call.arguments) {
                Ok(arguments) => {
                    let tool = self.clone();
                    blocking::run(move || tool.change(arguments)).await
                }
                Err(faults) => ToolOutput::failed(faults),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    async fn call(tool: &MemoryTool, arguments: Value) -> ToolOutput {
        tool.run(Invocation::confined("s".into(), arguments)).await
    }

    fn settings(user_profile_enabled: bool) -> Memory {
        Memory { memory_enabled: true, user_profile_enabled, memory_char_limit: 40, user_char_limit: 40 }
    }

    #[tokio::test]
    async fn a_change_tells_the_room_that_is_left() {
        let profile = tempfile::tempdir().unwrap();
        let tool = MemoryTool::new(profile.path(), settings(true));
        let added = call(&tool, json!({"action": "add", "content": "likes tea"})).await;
        assert_eq!(added, ToolOutput::done("added; 1 entries, 9 of 40 characters"));
        let user = call(&tool, json!({"action": "add", "target": "user", "content": "is Anna"})).await;
        assert_eq!(user.content, "added; 1 entries, 7 of 40 characters");
        let full = call(&tool, json!({"action": "add", "content": "x".repeat(40)})).await;
        assert!(full.is_error && full.content.contains("the limit is 40 (9 are used)"), "{}", full.content);
        let files = ["MEMORY.md", "USER.md"].map(|name| profile.path().join("memories").join(name));
        assert_eq!(files.map(|path| std::fs::read_to_string(path).unwrap()), ["likes tea", "is Anna"]);
    }

    #[tokio::test]
    async fn missing_arguments_and_settings_are_named() {
        let profile = tempfile::tempdir().unwrap();
        let tool = MemoryTool::new(profile.path(), settings(false));
        let replace = call(&tool, json!({"action": "replace", "content": "x"})).await;
        assert_eq!(replace.content, "`old_text` is missing; action replace needs it");
        let user = call(&tool, json!({"action": "add", "target": "user", "content": "x"})).await;
        assert_eq!(user.content, "failed to change the memory: memory.user_profile_enabled is false");
        let unknown = call(&tool, json!({"action": "delete"})).await;
        assert!(unknown.content.starts_with("`action` must be one of `add`, `replace`, `remove`"));
        assert!(!profile.path().join("memories").exists());
    }
}
