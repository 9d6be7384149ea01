//! Tests of the descriptions that the model reads.

use std::collections::BTreeMap;

use hermes_core::gateway::agent_keys;
use hermes_core::{Home, ProfileName};
use serde_json::Value;

use crate::sandbox::Launcher;
use crate::settings::{self, Network};
use crate::store::Store;
use crate::tokens;
use crate::tools::{ToolSchema, Toolbox, ToolboxOptions};

/// The most tokens of an agent's own tools. With those of MCP servers, 2,500 are the aim.
const TOKENS_MAX: u64 = 1_500;

fn schemas() -> Vec<ToolSchema> {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path()).unwrap();
    let profile = ProfileName::new("default").unwrap();
    let (keys, _) =
        agent_keys::publish(&home, &ProfileName::new("writer").unwrap(), std::slice::from_ref(&profile));
    assert_eq!(keys.len(), 1, "the writer may be asked");
    let memory = settings::load_memory(&home, &profile).unwrap();
    let settings = settings::load_tools(&home, &profile).unwrap();
    let toolbox = Toolbox::of_agent(ToolboxOptions {
        home: &home,
        profile: &profile,
        environment: &BTreeMap::new(),
        store: Store::open(&folder.path().join("hermes.db")).unwrap().store,
        terminal: settings.terminal,
        clarify: settings.clarify,
        memory,
        network: Network::default(),
        secrets: Vec::new(),
        launcher: Launcher::default(),
        servers: Vec::new(),
        needs_sandbox: true,
    });
    toolbox.unwrap().schemas()
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
