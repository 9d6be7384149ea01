//! Tests of names and schemas.

use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::settings::McpAddress;

fn server() -> McpServer {
    McpServer {
        name: "my-git".to_owned(),
        address: McpAddress::Stdio { command: vec!["git".to_owned()], env: Default::default() },
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        enabled: true,
        include: None,
        exclude: vec!["push".to_owned()],
        secrets: Vec::new(),
    }
}

fn tool(name: &str, schema: &Value) -> rmcp::model::Tool {
    serde_json::from_value(json!({"name": name, "description": "about it", "inputSchema": schema})).unwrap()
}

fn used(tools: &[rmcp::model::Tool]) -> (Vec<Listed>, Vec<LeftOut>) {
    listed(&server(), tools, &mut vec!["mcp_my_git_taken".to_owned()])
}

#[test]
fn names_fit_each_provider() {
    let long = "x".repeat(100);
    let names = ["log.all", "log/all", "taken", "push", "größe", long.as_str()];
    let tools: Vec<_> = names.iter().map(|name| tool(name, &json!({"type": "object"}))).collect();
    let (used, left_out) = used(&tools);
    let names: Vec<_> = used.iter().map(|listed| listed.schema.name.as_str()).collect();
    assert_eq!(names[..2], ["mcp_my_git_log_all", "mcp_my_git_gr__e"]);
    assert_eq!((names[2].len(), used[2].name.len()), (64, 100));
    let reasons: Vec<_> = left_out.iter().map(|left| format!("{}: {}", left.tool, left.reason)).collect();
    assert_eq!(
        reasons,
        [
            "log/all: another tool has the name mcp_my_git_log_all",
            "taken: another tool has the name mcp_my_git_taken",
        ]
    );
}

#[test]
fn a_schema_becomes_one_that_each_provider_takes() {
    let given =
        json!({"$schema": "x", "anyOf": [{"required": ["a"]}], "properties": {"a": {"type": "string"}}});
    let (used, _) = used(&[tool("a", &given), tool("b", &json!({}))]);
    let schema = &used[0].schema.parameters;
    assert_eq!(*schema, json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    assert_eq!(used[1].schema.parameters, json!({"type": "object", "properties": {}}));
    assert_eq!(used[0].effect, Effect::Writes);
}

#[rstest]
#[case(json!({"type": "string"}), "its arguments are no object")]
#[case(json!({"properties": []}), "its schema is invalid at properties")]
#[case(json!({"properties": {"a": {"type": "banana"}}}), "its schema is invalid at type")]
#[case(json!({"properties": {"a": 3}}), "its schema is invalid")]
#[case(json!({"properties": {"a b": {}}}), "no provider takes its argument \"a b\"")]
#[case(json!({"required": "a"}), "its schema is invalid at required")]
#[case(json!({"properties": {"a": {"anyOf": {}}}}), "its schema is invalid at anyOf")]
#[case(json!({"description": "x".repeat(20_000)}), "its schema has 19 KiB, and may have 16")]
fn a_schema_that_a_provider_would_refuse_is_left_out(#[case] schema: Value, #[case] reason: &str) {
    let (used, left_out) = used(&[tool("a", &schema), tool("b", &json!({}))]);
    assert_eq!(used.len(), 1, "the other tool stays");
    assert_eq!(left_out[0].reason, reason);
}

#[test]
fn too_much_is_cut() {
    let many: Vec<_> = (0..10_000).map(|index| tool(&format!("t{index}"), &json!({}))).collect();
    let (found, left_out) = used(&many);
    assert_eq!((found.len(), left_out.len()), (TOOLS_MAX, 1));
    assert!(left_out[0].reason.starts_with("it has 10000 tools, and the first 128 are used"), "{left_out:?}");
    let mut large = tool("a", &json!({}));
    large.description = Some("ä".repeat(1 << 20).into());
    let (found, _) = used(&[large]);
    assert_eq!(found[0].schema.description.chars().count(), DESCRIPTION_MAX + 1);
    let heavy = json!({"description": "x".repeat(16_000)});
    let many: Vec<_> = (0..30).map(|index| tool(&format!("t{index}"), &heavy)).collect();
    let (found, left_out) = used(&many);
    assert_eq!((found.len(), left_out.len()), (16, 1));
}

proptest! {
    #[test]
    fn each_name_fits(server in "[a-zA-Z0-9_-]{1,32}", tool in ".{0,200}") {
        let name = name_of(&server, &tool);
        prop_assert!(name.len() <= NAME_MAX && name.starts_with("mcp_"));
        prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    }
}
