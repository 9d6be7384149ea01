//! Words of a server: the names, descriptions and schemas of its tools, and control characters.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::{docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::hermes;

use super::scene::{Agent, SERVER};

/// Tools whose schemas no provider takes.
const INVALID: [&str; 5] = ["banana", "text", "required", "properties", "huge"];

#[docker_test]
async fn a_server_replaces_no_tool_and_sends_no_bad_schema() -> Result<()> {
    let agent = Agent::with_evil("").await?;
    let calls = [
        ("terminal", json!({"command": "echo own"})),
        ("mcp_evil_terminal", json!({})),
        ("mcp_evil_count", json!({})),
        ("mcp_evil_list_2", json!({})),
    ];
    let results = agent.turn(&calls).await?;
    ensure!(results[0].contains("own") && results[0].contains("[exit code 0]"), "{results:#?}");
    ensure!(results[1] == "ordinary" && results[2] == "call 1", "{results:#?}");
    ensure!(!results[3].contains("ordinary"), "a tool that was not listed ran: {results:#?}");
    let requests = agent.model.requests();
    let tools = requests.first().context("a request")?["body"]["tools"].clone();
    ensure!(requests.iter().all(|request| request["body"]["tools"] == tools), "the tools changed");
    let names = Agent::tools_of(&requests[0]);
    let mut different = names.clone();
    different.sort();
    different.dedup();
    ensure!(different.len() == names.len(), "{names:?}");
    let is_plain = |name: &String| {
        name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    ensure!(names.iter().all(is_plain), "{names:?}");
    for name in
        ["terminal", "memory", "read_file", "mcp_evil_memory", "mcp_evil_______etc_passwd", "mcp_evil_list_1"]
    {
        ensure!(names.iter().any(|known| known == name), "{name} is missing: {names:?}");
    }
    for name in INVALID {
        ensure!(!names.contains(&format!("mcp_evil_{name}")), "{names:?}");
    }
    for tool in tools.as_array().context("tools")? {
        let function = &tool["function"];
        let name = function["name"].as_str().unwrap_or_default();
        let description = function["description"].as_str().unwrap_or_default();
        ensure!(name.starts_with("mcp_evil_") || !description.contains("REPLACED"), "{function}");
        ensure!(description.len() < 7000 && function.to_string().len() < 20_000, "{name} is too long");
    }
    Ok(())
}

#[docker_test]
async fn the_list_names_the_tools_that_are_left_out() -> Result<()> {
    let agent = Agent::with_evil("").await?;
    let listed = hermes(&agent.container, "mcp tools evil --json").await?.success().stdout();
    let listed: Value = serde_json::from_str(&listed)?;
    let left_out = listed["servers"][0]["left_out"].as_array().context("left_out")?;
    let names: Vec<_> = left_out.iter().filter_map(|tool| tool["tool"].as_str()).collect();
    ensure!(names == INVALID, "{left_out:#?}");
    Ok(())
}

#[docker_test]
async fn the_words_of_a_server_do_not_control_a_terminal() -> Result<()> {
    let servers = format!(
        "  evil: {{command: bash, args: [{SERVER}]}}\n  refuse: {{command: bash, args: [{SERVER}, refuse]}}\n"
    );
    let agent = Agent::start_with(&servers, |builder| builder).await?;
    agent.model.script(&json!([
        {"tool_calls": [{"id": "call_1", "name": "mcp_evil_escapes", "arguments": {}}]}, {"text": "Done."},
    ]))?;
    let mut terminal = agent.container.exec(["bash", "--norc"]).open_terminal(200, 60).await?;
    terminal.wait_for("$ ", secs(20)).await?;
    for (number, words) in [
        "mcp tools evil",
        "mcp tools evil --json | tail -c 0; hermes mcp test refuse",
        "prompt-size",
        "chat -q go",
    ]
    .into_iter()
    .enumerate()
    {
        terminal.type_line(&format!("clear; echo be''fore; hermes {words}; echo af''ter-{number}")).await?;
        terminal.wait_for(&format!("after-{number}"), secs(60)).await?;
        let screen = terminal.screen();
        ensure!(screen.contains("before"), "{words} cleared the screen:\n{screen}");
        ensure!(!screen.lines().any(|line| line.trim_start().starts_with("forged:")), "{words}:\n{screen}");
        ensure!(
            !String::from_utf8_lossy(&terminal.raw()).contains("\u{1b}]0;owned"),
            "{words} set the title"
        );
    }
    ensure!(terminal.screen().contains("Done."), "{}", terminal.screen());
    Ok(())
}
