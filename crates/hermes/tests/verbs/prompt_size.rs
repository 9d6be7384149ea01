//! `hermes prompt-size`.

use predicates::prelude::*;
use serde_json::{Value, json};

use crate::volume::Volume;

fn volume() -> Volume {
    let volume = Volume::new();
    volume.write("SOUL.md", "You are Ada.");
    volume.write("memories/MEMORY.md", "The server is in Oslo.");
    volume.write("skills/code/review/SKILL.md", "---\ndescription: Reviews code\n---\n");
    volume.write("AGENTS.md", "Run the tests.");
    volume
}

fn sizes(volume: &Volume) -> Value {
    let output = volume.hermes(["prompt-size", "--json"]).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn each_part_has_its_bytes_and_tokens() {
    let sizes = sizes(&volume());
    let parts = sizes["parts"].as_array().unwrap();
    let names: Vec<_> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["identity", "tool guidance", "skills", "AGENTS.md", "memory", "session"]);
    assert_eq!(parts[0], json!({"section": "stable", "name": "identity", "bytes": 12, "tokens": 3}));
    let tools = sizes["tools"].as_array().unwrap();
    let sum: u64 = parts.iter().chain(tools).map(|part| part["bytes"].as_u64().unwrap()).sum();
    assert_eq!((&sizes["profile"], &sizes["bytes"]), (&json!("default"), &json!(sum)));
    assert_eq!(sizes["warnings"], json!([]));
}

#[test]
fn the_tools_take_at_most_2500_tokens() {
    let sizes = sizes(&volume());
    let tools = sizes["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let expected = [
        "clarify",
        "memory",
        "patch",
        "process",
        "read_file",
        "search_files",
        "session_search",
        "skill_view",
        "skills_list",
        "terminal",
        "todo",
        "web_extract",
        "write_file",
    ];
    assert_eq!(names, expected);
    let tokens: u64 = tools.iter().map(|tool| tool["tokens"].as_u64().unwrap()).sum();
    assert!(tokens <= 2500, "{tokens}");
}

#[test]
fn without_a_network_no_tool_reads_pages() {
    let volume = volume();
    volume.write("config.yaml", "terminal:\n  network: off\n");
    assert!(!sizes(&volume)["tools"].to_string().contains("web_extract"));
}

#[test]
fn the_table_ends_with_the_sum() {
    let expected = predicate::str::starts_with(
        "SECTION   PART            BYTES  TOKENS\nstable    identity        12     3\n",
    )
    .and(predicate::str::contains("\nall                  "));
    volume().hermes(["prompt-size"]).assert().success().stdout(expected).stderr("");
}

#[test]
fn disabled_memory_is_not_counted() {
    let volume = volume();
    volume.write("config.yaml", "memory:\n  memory_enabled: false\n");
    assert!(!sizes(&volume)["parts"].to_string().contains("memory"));
}

#[test]
fn a_file_that_cannot_be_used_gives_a_warning() {
    let volume = volume();
    std::fs::remove_file(volume.path("SOUL.md")).unwrap();
    std::fs::create_dir(volume.path("SOUL.md")).unwrap();
    volume.hermes(["prompt-size"]).assert().success().stderr(predicate::str::contains(
        "SOUL.md: it is a directory, not a file; the prompt is without it\n",
    ));
}

#[test]
fn an_invalid_limit_is_an_error_of_the_configuration() {
    let volume = volume();
    volume.write("config.yaml", "memory:\n  user_char_limit: many\n");
    volume.hermes(["prompt-size"]).assert().code(78).stderr(
        predicate::str::contains("memory.user_char_limit in line 2 of config.yaml")
            .and(predicate::str::contains("\nhint: ")),
    );
}
