//! Servers that fail at their start.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::docker_test;
use serde_json::Value;

use crate::support::driving::hermes;

use super::memory::{must_be_bounded, peak};
use super::scene::{Agent, SERVER, must_be_gone};

/// The word for the start of a server, and the sentence of its failure.
const FAILURES: [(&str, &str); 7] = [
    ("hang", "it did not answer within 3 s"),
    ("die", "it exited with code 3; its standard error ends with: no licence"),
    ("flood", "it wrote more than 64 MiB for one request"),
    ("one_line", "it wrote a line of more than 4 MiB"),
    ("garbage", "it broke the protocol"),
    ("refuse", "it answered with an error"),
    ("none", "failed to execute no-such-program"),
];

/// Returns an entry for each failure, and one for an ordinary server.
fn servers() -> String {
    let mut servers = format!("  good: {{command: bash, args: [{SERVER}]}}\n");
    for (word, _) in FAILURES {
        let command = if word == "none" { "no-such-program" } else { "bash" };
        // The floods must reach their limits on a busy machine, too.
        let limit = if word == "hang" { 3 } else { 30 };
        servers.push_str(&format!(
            "  {word}: {{command: {command}, args: [{SERVER}, {word}], connect_timeout: {limit}}}\n"
        ));
    }
    servers
}

#[docker_test]
async fn a_server_that_does_not_start_is_left_out() -> Result<()> {
    let agent = Agent::start_with(&servers(), |builder| builder).await?;
    let gateway = agent.gateway().await?;
    let before = peak(&agent.container, gateway).await?;
    ensure!(agent.call("mcp_good_count").await? == "call 1");
    let requests = agent.model.requests();
    let tools = Agent::tools_of(requests.first().context("a request")?);
    let of_servers: Vec<_> = tools.iter().filter(|name| name.starts_with("mcp_")).collect();
    ensure!(
        of_servers.iter().all(|name| name.starts_with("mcp_good_")) && of_servers.len() > 10,
        "{tools:?}"
    );
    must_be_bounded(&agent.container, gateway, before).await?;
    ensure!(agent.gateway().await? == gateway, "the gateway is another process");
    // The server that starts is the only one that runs.
    ensure!(super::scene::with_word(&agent.container, "tool-run").await?.len() <= 2, "supervisors are left");
    Ok(())
}

#[docker_test]
async fn the_verbs_name_each_failure() -> Result<()> {
    let agent = Agent::start_with(&servers(), |builder| builder).await?;
    let listed = hermes(&agent.container, "mcp tools --json").deadline(hermes_harness::secs(120)).await?;
    let listed = listed.code(1).stdout();
    let listed: Value = serde_json::from_str(&listed).with_context(|| listed.clone())?;
    let servers = listed["servers"].as_array().context("servers")?;
    let error = |name: &str| {
        let server = servers.iter().find(|server| server["name"] == name);
        server.map(|server| server["error"].as_str().unwrap_or_default().to_owned())
    };
    for (word, expected) in FAILURES {
        let error = error(word).with_context(|| listed.to_string())?;
        ensure!(error.contains(expected), "{word}: {error}");
    }
    ensure!(error("good").is_some_and(|error| error.is_empty()), "{listed}");
    let tested = hermes(&agent.container, "mcp test die").await?.code(1);
    let expected = "error: failed to use the MCP server die\ncaused by: it exited with code 3";
    ensure!(tested.stderr().contains(expected), "{}", tested.stderr());
    must_be_gone(&agent.container, "86400.5").await
}

#[docker_test]
async fn prompt_size_tells_a_server_that_does_not_answer() -> Result<()> {
    let servers = format!(
        "  good: {{command: bash, args: [{SERVER}]}}\n  silent: {{command: bash, args: [{SERVER}, hang]}}\n"
    );
    let agent = Agent::start_with(&servers, |builder| builder).await?;
    let printed = hermes(&agent.container, "prompt-size").await?.success();
    let (table, notes) = (printed.stdout(), printed.stderr());
    ensure!(table.contains("\nmcp good  mcp_good_count"), "{table}");
    ensure!(!table.contains("mcp silent"), "{table}");
    ensure!(notes.contains("waiting for the MCP servers: "), "{notes}");
    let warning = "warning: the MCP server silent is not counted: it did not answer within 10 s; \
                   to try it: hermes mcp test silent";
    ensure!(notes.contains(warning), "{notes}");
    must_be_gone(&agent.container, "86400.5").await
}
