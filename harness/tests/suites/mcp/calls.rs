//! A server that fails in its calls.

use anyhow::{Result, ensure};
use hermes_harness::docker_test;

use super::scene::Agent;

#[docker_test]
#[case::hang("hang", "it did not answer within 2 s")]
#[case::die("die", "signal 9 ended it; its standard error ends with: the last words")]
#[case::flood("flood", "it wrote more than 64 MiB for one request")]
#[case::one_line("one_line", "it wrote a line of more than 4 MiB")]
#[case::errors("errors", "after the errors")]
#[case::big("big", "BBBBBBBB")]
#[case::objects("objects", "it wrote a message of more than 50000 JSON values")]
async fn a_failed_call_is_a_result(#[case] tool: &str, #[case] expected: &str) -> Result<()> {
    // 1 GB of errors takes a while on a busy machine.
    let limit = if tool == "hang" { 2 } else { 60 };
    let agent = Agent::with_evil(&format!(", timeout: {limit}")).await?;
    ensure!(agent.call("mcp_evil_count").await? == "call 1");
    let gateway = agent.gateway().await?;
    let before = super::memory::peak(&agent.container, gateway).await?;
    let result = agent.call(&format!("mcp_evil_{tool}")).await?;
    ensure!(result.contains(expected), "{}", result.chars().take(3000).collect::<String>());
    ensure!(result.len() < 60_000, "{} bytes", result.len());
    let is_failure = ["hang", "die", "flood", "one_line", "objects"].contains(&tool);
    let says = result.contains("The call of the MCP server evil failed: ")
        && result.contains("The call may have taken effect; check before repeating.");
    ensure!(says == is_failure, "{result}");
    super::memory::must_be_bounded(&agent.container, gateway, before).await?;
    if tool == "hang" {
        // One slow call is no sign of a hanging server. A second one is, and the server starts again.
        let result = agent.call("mcp_evil_count").await?;
        ensure!(result.contains(expected), "{result}");
    }
    agent.must_go_on(gateway).await
}
