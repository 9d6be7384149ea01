//! Processes that a server leaves.

use anyhow::{Result, ensure};
use hermes_harness::probe::process_table;
use hermes_harness::{Look, docker_test, secs};

use crate::support::driving::hermes;

use super::scene::{Agent, SERVER, must_be_gone, with_word};

/// The word in the command lines of the left processes.
const MARK: &str = "86400.71";

async fn agent() -> Result<Agent> {
    Agent::with_evil(&format!(", env: {{MARK: '{MARK}'}}")).await
}

/// A call leaves processes, and they run.
async fn fork(agent: &Agent) -> Result<()> {
    ensure!(agent.call("mcp_evil_fork").await? == "forked");
    let run = async |container: &hermes_harness::Container| {
        let left = with_word(container, MARK).await?;
        Ok(Look::holds(left.len() >= 5, || process_table(&left)))
    };
    agent.container.wait_until("they run while the server runs", run, secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn no_process_outlives_a_dead_server() -> Result<()> {
    let agent = agent().await?;
    let result = agent.call("mcp_evil_leave_and_die").await?;
    ensure!(result.contains("it exited with code 4"), "{result}");
    must_be_gone(&agent.container, MARK).await
}

#[docker_test]
async fn no_process_outlives_a_stopped_gateway() -> Result<()> {
    let agent = agent().await?;
    fork(&agent).await?;
    hermes(&agent.container, "gateway stop").await?.success();
    must_be_gone(&agent.container, MARK).await
}

#[docker_test]
async fn no_process_outlives_a_killed_gateway() -> Result<()> {
    let agent = agent().await?;
    fork(&agent).await?;
    agent.container.kill_process(agent.gateway().await?, "KILL").await?;
    must_be_gone(&agent.container, MARK).await
}

#[docker_test]
async fn outside_of_the_sandbox_the_processes_stay() -> Result<()> {
    let agent = agent().await?;
    let script = format!("MARK={MARK} bash {SERVER} leave >/dev/null 2>&1");
    agent.container.exec_sh(&script).await?.success();
    let stay = async |container: &hermes_harness::Container| {
        let left = with_word(container, MARK).await?;
        Ok(Look::holds(left.len() >= 5, || process_table(&left)))
    };
    agent.container.wait_until("the processes stay", stay, secs(10)).await?;
    Ok(())
}
