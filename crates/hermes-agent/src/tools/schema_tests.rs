//! Tests of the descriptions that the model reads.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::settings::Memory;
use crate::store::Store;
use crate::tokens;
use crate::tools::memory::MemoryTool;
use crate::tools::session_search::SessionSearchTool;
use crate::tools::skills::{SkillViewTool, SkillsListTool};
use crate::tools::todo::TodoTool;
use crate::tools::{Tool, ToolSchema, files};

/// The most tokens of these tools. All tools together may have 2,500.
const TOKENS_MAX: u64 = 1_500;

fn schemas() -> Vec<ToolSchema> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("hermes.db")).unwrap().store;
    let memory = Memory {
        memory_enabled: true,
        user_profile_enabled: true,
        memory_char_limit: 2200,
        user_char_limit: 1375,
    };
    let tools: [&dyn Tool; 5] = [
        &MemoryTool::new(folder.path(), memory),
        &SkillsListTool::new(folder.path()),
        &SkillViewTool::new(folder.path()),
        &SessionSearchTool::new(store),
        &TodoTool::new(),
    ];
    files::schemas().into_iter().chain(tools.iter().map(|tool| tool.schema())).collect()
}

/// Returns the value with sorted names. A feature of serde_json, which other crates set, decides about their order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> =
                map.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[test]
fn descriptions_are_short() {
    let of_each: Vec<_> = schemas().iter().map(|tool| (tool.name.clone(), tokens::of_tool(tool))).collect();
    let total: u64 = of_each.iter().map(|(_, tokens)| tokens).sum();
    assert!(total <= TOKENS_MAX, "{total} tokens: {of_each:?}");
}

#[test]
fn descriptions_are_those_of_the_snapshots() {
    for tool in schemas() {
        let text = format!("{}\n{}\n{:#}", tool.name, tool.description, sorted(&tool.parameters));
        insta::assert_snapshot!(tool.name.clone(), text);
    }
}
