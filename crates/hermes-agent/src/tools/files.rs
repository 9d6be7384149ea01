//! The tools that read and change files: `read_file`, `write_file`, `patch`, `search_files`.
//!
//! They run in a confined process of ours, whose working directory is the workspace. The kernel decides which files they reach: paths
//! are not checked here. All are synchronous, end by themselves, and use bounded memory.

use serde::Deserialize;
use serde_json::{Value, json};

use self::failure::Failure;
use super::{Effect, ToolOutput, ToolSchema, arguments};

mod failure;
mod open;
mod patch;
mod read;
mod search;
mod write;

/// A file tool: name, effect, schema, function.
struct FileTool {
    name: &'static str,
    effect: Effect,
    schema: fn() -> ToolSchema,
    run: fn(Value) -> Result<String, Failure>,
}

const TOOLS: [FileTool; 4] = [
    FileTool {
        name: "read_file",
        effect: Effect::Reads,
        schema: read_file,
        run: |arguments| read::run(&parsed(arguments)?),
    },
    FileTool {
        name: "write_file",
        effect: Effect::Writes,
        schema: write_file,
        run: |arguments| write::run(&parsed(arguments)?),
    },
    FileTool {
        name: "patch",
        effect: Effect::Writes,
        schema: patch,
        run: |arguments| patch::run(&parsed(arguments)?),
    },
    FileTool {
        name: "search_files",
        effect: Effect::Reads,
        schema: search_files,
        run: |arguments| search::run(&parsed(arguments)?),
    },
];

/// Returns the descriptions of the file tools.
pub fn schemas() -> Vec<ToolSchema> {
    TOOLS.iter().map(|tool| (tool.schema)()).collect()
}

/// Returns the effect of a file tool, or `None` if no file tool has the name.
pub fn effect(name: &str) -> Option<Effect> {
    TOOLS.iter().find(|tool| tool.name == name).map(|tool| tool.effect)
}

/// Runs a file tool in this process. Checks the arguments.
pub fn run(name: &str, mut arguments: Value) -> ToolOutput {
    let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
        return ToolOutput::failed(format!("failed to run {name}: there is no such file tool"));
    };
    if let Err(faults) = arguments::check(&(tool.schema)().parameters, &mut arguments) {
        return ToolOutput::failed(faults);
    }
    match (tool.run)(arguments) {
        Ok(text) => ToolOutput::done(text),
        Err(failure) => failure.output(),
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(arguments: Value) -> Result<T, Failure> {
    serde_json::from_value(arguments)
        .map_err(|error| Failure::refused("read", "the arguments", error.to_string(), ""))
}

fn schema(name: &str, description: &str, properties: Value, required: &[&str]) -> ToolSchema {
    ToolSchema {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: json!({"type": "object", "properties": properties, "required": required}),
    }
}

fn read_file() -> ToolSchema {
    schema(
        "read_file",
        "Reads a text file. Each line of the result is NUMBER|TEXT.",
        json!({
            "path": {"type": "string"},
            "offset": {"type": "integer", "minimum": 1, "description": "first line, default 1"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 2000, "description": "lines, default 500"},
        }),
        &["path"],
    )
}

fn write_file() -> ToolSchema {
    schema(
        "write_file",
        "Writes a whole file and makes its directories. Use patch to change parts.",
        json!({"path": {"type": "string"}, "content": {"type": "string"}}),
        &["path", "content"],
    )
}

fn patch() -> ToolSchema {
    schema(
        "patch",
        "Changes parts of files and returns the diff. Mode replace: old_string must stand once in the file. \
         Mode patch: several files, all or nothing, as V4A: *** Begin Patch, *** Update|Add|Delete File: PATH, \
         *** Move to: PATH, @@ line above, lines that begin with space, - or +, *** End Patch.",
        json!({
            "mode": {"type": "string", "enum": ["replace", "patch"], "description": "default replace"},
            "path": {"type": "string"},
            "old_string": {"type": "string"},
            "new_string": {"type": "string"},
            "replace_all": {"type": "boolean"},
            "patch": {"type": "string"},
        }),
        &[],
    )
}

fn search_files() -> ToolSchema {
    schema(
        "search_files",
        "Searches lines by regular expression, or with target files names by glob, newest first.",
        json!({
            "pattern": {"type": "string"},
            "target": {"type": "string", "enum": ["content", "files"], "description": "default content"},
            "path": {"type": "string"},
            "file_glob": {"type": "string", "description": "as *.rs; only with target content"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 2000, "description": "default 50"},
            "offset": {"type": "integer", "minimum": 0},
            "output_mode": {"type": "string", "enum": ["content", "files_only", "count"]},
            "context": {"type": "integer", "minimum": 0, "maximum": 20, "description": "lines around a match"},
        }),
        &["pattern"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_checks_its_arguments() {
        for ToolSchema { name, .. } in schemas() {
            let output = run(&name, json!({"surprise": 1}));
            assert!(output.is_error);
            assert!(output.content.starts_with("`surprise` is unknown"), "{name}: {}", output.content);
        }
        assert!(run("terminal", json!({})).is_error);
    }

    #[test]
    fn only_reading_tools_run_side_by_side() {
        let effects = ["read_file", "search_files", "write_file", "patch", "other"].map(effect);
        let [reads, writes] = [Some(Effect::Reads), Some(Effect::Writes)];
        assert_eq!(effects, [reads, reads, writes, writes, None]);
    }

    #[test]
    fn a_file_is_written_patched_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        assert!(!run("write_file", json!({"path": path, "content": "one\ntwo\n"})).is_error);
        let arguments = json!({"path": path, "old_string": "two", "new_string": "2", "replace_all": "false"});
        assert!(!run("patch", arguments).is_error);
        assert_eq!(run("read_file", json!({"path": path, "limit": "5"})).content, "1|one\n2|2\n");
        let found = run("search_files", json!({"pattern": "2", "path": path})).content;
        assert_eq!(found, format!("{}\n2|2\n", path.display()));
    }
}
