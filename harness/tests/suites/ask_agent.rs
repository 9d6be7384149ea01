//! Agents that ask agents: the caller's tool, the callee's session, keys, budgets, and the end of both turns.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::{Container, Look, StandIn, docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::{create, hermes};
use crate::support::gateways::gateway_is;

/// Two agents with a model server each. `writer` lets `coder` ask.
struct Agents {
    coder: StandIn,
    writer: StandIn,
    container: Container,
}

impl Agents {
    async fn start(of_coder: &str, of_writer: &str) -> Result<Self> {
        let (coder, writer) = (StandIn::start().await?, StandIn::start().await?);
        let container = coder.idle().start_ready().await?;
        create(&container, &["coder", "writer", "painter"]).await?;
        let model = format!(
            "model: {{default: stand-in, base_url: '{}/v1', api_key: other}}\n",
            writer.url().trim_end_matches("/v1")
        );
        let of_writer = format!("{model}agents: {{allow: [coder]}}\n{of_writer}");
        for (profile, config) in [("coder", of_coder), ("writer", &of_writer)] {
            let path = format!("/opt/data/profiles/{profile}/config.yaml");
            container.write_file(&path, config).await?;
        }
        let agents = Self { coder, writer, container };
        agents.gateway("start", "writer").await?;
        Ok(agents)
    }

    async fn gateway(&self, verb: &str, profile: &str) -> Result<()> {
        hermes(&self.container, &format!("-p {profile} gateway {verb}")).await?.success();
        self.container.wait_until("the gateway runs", gateway_is(profile, "running"), secs(10)).await?;
        Ok(())
    }

    /// Lets `coder` ask `writer`. Returns the result that the model of `coder` got.
    async fn ask(&self, profile: &str, message: &str) -> Result<String> {
        self.coder.script(&json!([call(message), {"text": "Done."}]))?;
        hermes(&self.container, &format!("-p {profile} chat -q go")).await?.success();
        self.coder.tool_results().pop().context("a result")
    }

    async fn sessions(&self, profile: &str) -> Result<Value> {
        let listed = hermes(&self.container, &format!("-p {profile} sessions list --json")).await?.success();
        Ok(serde_json::from_str(&listed.stdout())?)
    }
}

fn call(message: &str) -> Value {
    let arguments = json!({"profile": "writer", "message": message});
    json!({"tool_calls": [{"id": "call_1", "name": "ask_agent", "arguments": arguments}]})
}

#[docker_test]
async fn an_agent_asks_another_one_and_gets_its_answer() -> Result<()> {
    let agents = Agents::start("", "").await?;
    agents.writer.script(&json!([{"text": "A poem."}]))?;
    ensure!(agents.ask("coder", "Write a poem.").await? == "A poem.");
    let asked = agents.writer.requests().pop().context("a request")?;
    ensure!(asked.to_string().contains("Write a poem."), "{asked}");
    ensure!(asked.to_string().contains("come from the agent coder, not from a person"), "{asked}");
    let sessions = agents.sessions("writer").await?;
    ensure!(sessions.to_string().contains("agent:coder"), "{sessions}");
    Ok(())
}

#[docker_test]
async fn only_the_agents_of_the_list_may_ask() -> Result<()> {
    let agents = Agents::start("", "").await?;
    // A caller without a key has no such tool.
    let refused = agents.ask("painter", "Write.").await?;
    ensure!(refused.contains("There is no tool \"ask_agent\""), "{refused}");
    // A key of an earlier list opens nothing.
    let path = "/opt/data/profiles/writer/config.yaml";
    let config = String::from_utf8(agents.container.read_file(path).await?)?.replace("[coder]", "[painter]");
    agents.container.write_file(path, config).await?;
    agents.gateway("restart", "writer").await?;
    let refused = agents.ask("coder", "Write.").await?;
    ensure!(refused.contains("writer does not let this agent ask"), "{refused}");
    ensure!(agents.writer.requests().is_empty(), "no question reached the model");
    Ok(())
}

#[docker_test]
async fn no_tool_reads_the_key_of_its_agent() -> Result<()> {
    let agents = Agents::start("", "").await?;
    let keys = "/opt/data/profiles/coder/agent-keys";
    let listed = agents.container.exec(["ls", keys]).await?.success();
    listed.stdout_is("writer");
    let command = format!("cat {keys}/writer; ls {keys}");
    let arguments = json!({ "command": command });
    let step = json!({"tool_calls": [{"id": "call_1", "name": "terminal", "arguments": arguments}]});
    agents.coder.script(&json!([step, {"text": "Done."}]))?;
    let config = "approvals: {timeout: 1}\n";
    agents.container.write_file("/opt/data/profiles/coder/config.yaml", config).await?;
    hermes(&agents.container, "-p coder chat -q go").await?.success();
    let result = agents.coder.tool_results().pop().context("a result")?;
    ensure!(result.contains("Permission denied") && !result.contains("hk_"), "{result}");
    Ok(())
}

#[docker_test]
async fn both_budgets_are_charged() -> Result<()> {
    // The caller's own two calls fit into its budget. Those of the other agent do not.
    let budget = "budget: {tokens_per_day: 20000}\n";
    let agents = Agents::start(budget, "budget: {tokens_per_day: 1000000}\n").await?;
    let usage = json!({"input": 30000, "output": 5});
    agents.writer.script(&json!([{"text": "An answer.", "usage": usage}]))?;
    agents.coder.script(&json!([call("Write."), {"text": "Done."}]))?;
    let output = hermes(&agents.container, "-p coder chat -q go").await?;
    let text = format!("{}{}", output.stdout(), output.stderr());
    ensure!(text.contains("the budget of the day is used up"), "{text}");
    ensure!(agents.writer.requests().len() == 1, "the other agent was asked once");
    Ok(())
}

#[docker_test]
async fn an_interrupt_ends_the_turn_of_the_other_agent() -> Result<()> {
    let agents = Agents::start("", "").await?;
    agents.writer.script(&json!([{"text": "Slowly.", "chunk_bytes": 1, "delay_ms": 10000}]))?;
    agents.coder.script(&json!([call("Write."), {"text": "Done."}]))?;
    let chat = hermes(&agents.container, "-p coder chat -q go").env("TERM", "xterm");
    let mut terminal = chat.open_terminal(80, 24).await?;
    let asked =
        async |_: &Container| Ok(Look::holds(agents.writer.requests().len() == 1, || "no request".into()));
    agents.container.wait_until("the other agent is asked", asked, secs(20)).await?;
    let is_busy = async |is_so: bool| {
        let sessions = agents.sessions("writer").await?;
        Ok(Look::holds(sessions[0]["busy"] == is_so, || sessions.to_string()))
    };
    let begun = async |_: &Container| is_busy(true).await;
    agents.container.wait_until("the turn of the other agent runs", begun, secs(20)).await?;
    terminal.control('c').await?;
    let ended = async |_: &Container| is_busy(false).await;
    agents.container.wait_until("the turn of the other agent ended", ended, secs(20)).await?;
    Ok(())
}

#[docker_test]
async fn an_agent_that_does_not_run_is_a_failed_call() -> Result<()> {
    let agents = Agents::start("", "").await?;
    hermes(&agents.container, "-p writer gateway stop").await?.success();
    let result = agents.ask("coder", "Write.").await?;
    ensure!(result.contains("hermes -p writer gateway start"), "{result}");
    Ok(())
}
