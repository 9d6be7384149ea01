//! The reach of a server: files, sockets, processes and variables of the agent.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::docker_test;

use super::scene::{Agent, CANARY, SERVER};

/// The number of attempts in `server.sh`.
const ATTEMPTS: usize = 9;

/// Returns the lines of attempts, as (name, outcome, message).
fn attempts(output: &str) -> Result<Vec<(&str, &str, &str)>> {
    let line = |line| {
        let mut parts = str::splitn(line, 3, '|');
        Some((parts.next()?, parts.next()?, parts.next()?))
    };
    let attempts: Vec<_> = output.lines().filter_map(line).collect();
    ensure!(attempts.len() == ATTEMPTS, "{output}");
    Ok(attempts)
}

#[docker_test]
async fn a_server_reaches_nothing_of_its_agent() -> Result<()> {
    let agent = Agent::with_evil("").await?;
    // The database is made with the first turn.
    agent.call("mcp_evil_count").await?;
    let pid = agent.gateway().await?.to_string();
    agent.container.exec_sh(&format!("echo {pid} >/opt/data/workspace/gateway.pid")).await?.success();
    let result = agent.call("mcp_evil_attack").await?;
    for (name, outcome, message) in attempts(&result)? {
        let is_refused = ["Permission denied", "Operation not permitted"];
        ensure!(
            outcome == "refused" && is_refused.iter().any(|text| message.contains(text)),
            "{name}: {outcome}: {message}"
        );
    }
    // Outside of the sandbox, each attempt of the account succeeds.
    let outside = agent.container.exec(["bash", SERVER, "attack"]).workdir("/opt/data/workspace").await?;
    let outside = outside.success().stdout();
    for (name, outcome, message) in attempts(&outside)? {
        ensure!(outcome == "reached", "the control failed: {name}: {message}");
    }
    ensure!(outside.contains(CANARY), "{outside}");
    Ok(())
}

#[docker_test]
async fn a_server_has_its_own_variables_alone() -> Result<()> {
    let agent = Agent::with_evil(", env: {OWN: mine, GIVEN: '${TOKEN}'}").await?;
    let result = agent.call("mcp_evil_show").await?;
    ensure!(result.contains("OWN=mine\n"), "{result}");
    // The server has the value that its entry names. The model does not get it.
    ensure!(result.contains("GIVEN=[secret]\n"), "{result}");
    let known =
        ["PATH", "HOME", "TMPDIR", "USER", "SHELL", "LANG", "LC_ALL", "TZ", "TERM", "PWD", "SHLVL", "_"];
    for line in result.lines() {
        let name = line.split('=').next().context("a name")?;
        let is_proxy = name.to_ascii_lowercase().ends_with("_proxy");
        let is_expected = known.contains(&name) || ["OWN", "GIVEN"].contains(&name) || is_proxy;
        ensure!(is_expected, "the server has {line}");
    }
    Ok(())
}
