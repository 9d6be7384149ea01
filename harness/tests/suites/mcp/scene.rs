//! A supervised gateway with MCP servers, and a scripted model that calls their tools.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hermes_harness::probe::{Process, Request, process_table};
use hermes_harness::{Container, ContainerBuilder, Look, StandIn, secs};
use serde_json::{Value, json};

use crate::support::driving::{ACCOUNT, hermes, ready_pid};

/// The port of the gateway.
const PORT: u16 = 8642;

/// The longest turn, on a busy machine.
const TURN: Duration = secs(120);

/// The part that all secrets of the agent share.
pub(super) const CANARY: &str = "canary-51c2";

/// The hostile server in the image.
pub(super) const SERVER: &str = "/usr/local/lib/server.sh";

/// An agent with MCP servers.
pub(super) struct Agent {
    pub(super) model: StandIn,
    pub(super) container: Container,
    key: String,
}

impl Agent {
    /// Starts an agent with this `mcp_servers`. `change` may change the container.
    pub(super) async fn start_with(
        servers: &str,
        change: impl FnOnce(ContainerBuilder) -> ContainerBuilder,
    ) -> Result<Self> {
        let model = StandIn::start().await?;
        let mut builder = change(Container::builder());
        for (name, value) in model.environment() {
            let value = if name == "OPENAI_API_KEY" { format!("{CANARY}-of-the-model") } else { value };
            builder = builder.env(name, &value);
        }
        let config = format!("version: 1\nmcp_servers:\n{servers}");
        let builder = builder
            .cmd(["sleep", "infinity"])
            .env("API_SERVER_HOST", "0.0.0.0")
            .publish(PORT)
            .file(SERVER, 0o755, include_str!("server.sh"))
            .owned_file("/opt/data/SOUL.md", 0o644, ACCOUNT, "You are a test.\n")
            .owned_file("/opt/data/.env", 0o600, ACCOUNT, format!("TOKEN={CANARY}-of-the-profile\n"))
            .owned_file("/opt/data/config.yaml", 0o600, ACCOUNT, config);
        let container = builder.start_ready().await?;
        hermes(&container, "gateway start").await?.success();
        let key = hermes(&container, "gateway key show").await?.success().text();
        Ok(Self { model, container, key })
    }

    /// Starts an agent whose only server is `evil`, the hostile one.
    pub(super) async fn with_evil(settings: &str) -> Result<Self> {
        let evil = format!("  evil: {{command: bash, args: [{SERVER}]{settings}}}\n");
        Self::start_with(&evil, |builder| builder).await
    }

    /// Returns the process of the gateway.
    pub(super) async fn gateway(&self) -> Result<u32> {
        ready_pid(&self.container, "default").await
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let request = Request::new(method, path).header("Authorization", &format!("Bearer {}", self.key));
        let request = if body.is_null() { request } else { request.json(&body.to_string()) };
        let answer = self.container.http(PORT, &request).await?;
        let text = answer.text();
        ensure!(answer.status < 300, "{} {text}", answer.status);
        serde_json::from_str(&text).with_context(|| text)
    }

    /// Runs a turn of the gateway in which the model calls these tools, one after the other. Returns the results that the model got.
    pub(super) async fn turn(&self, calls: &[(&str, Value)]) -> Result<Vec<String>> {
        let step = |(number, (name, arguments)): (usize, &(&str, Value))| json!({"tool_calls": [{"id": format!("call_{number}"), "name": name, "arguments": arguments}]});
        let steps = calls.iter().enumerate().map(step).chain([json!({"text": "Done."})]);
        self.model.script(&steps.collect())?;
        let run = self.send("POST", "/v1/runs", &json!({"input": "go"})).await?;
        let path = format!("/v1/runs/{}", run["run_id"].as_str().context("an ID")?);
        let ended = async |_: &Container| {
            let run = self.send("GET", &path, &Value::Null).await?;
            let status = run["status"].as_str().unwrap_or_default().to_owned();
            Ok(match &*status {
                "completed" => Look::Value(run),
                "failed" | "cancelled" => Look::Never(run.to_string()),
                _ => Look::NotYet(run.to_string()),
            })
        };
        let run = self.container.wait_until("the run ended", ended, TURN).await?;
        ensure!(run.to_string().contains("Done."), "{run}");
        let results = self.model.tool_results();
        ensure!(results.len() == calls.len(), "{results:#?}");
        for result in &results {
            ensure!(!result.contains(CANARY), "the model got a secret:\n{result}");
        }
        Ok(results)
    }

    /// Returns the result of one call without arguments.
    pub(super) async fn call(&self, tool: &str) -> Result<String> {
        self.turn(&[(tool, json!({}))]).await?.pop().context("a result")
    }

    /// The next question gets an answer, from the same process of the gateway, and the server works again.
    pub(super) async fn must_go_on(&self, gateway: u32) -> Result<()> {
        let result = self.call("mcp_evil_count").await?;
        ensure!(result.starts_with("call "), "{result}");
        ensure!(self.gateway().await? == gateway, "the gateway is another process");
        Ok(())
    }

    /// Returns the names of the tools in a request to the model.
    pub(super) fn tools_of(request: &Value) -> Vec<String> {
        let tools = request["body"]["tools"].as_array().into_iter().flatten();
        tools.filter_map(|tool| tool["function"]["name"].as_str().map(str::to_owned)).collect()
    }
}

/// Returns the processes with this word in their command line.
pub(super) async fn with_word(container: &Container, word: &str) -> hermes_harness::Result<Vec<Process>> {
    let mut processes = container.processes().await?;
    processes.retain(|process| process.argv.iter().any(|argument| argument.contains(word)));
    Ok(processes)
}

/// Waits until no process of a server is left, no supervisor of a call, and no zombie.
pub(super) async fn must_be_gone(container: &Container, mark: &str) -> Result<()> {
    let gone = async |container: &Container| {
        let mut left = Vec::new();
        for word in [mark, SERVER, "tool-run"] {
            left.extend(with_word(container, word).await?);
        }
        left.extend(container.zombies().await?);
        Ok(Look::holds(left.is_empty(), || process_table(&left)))
    };
    Ok(container.wait_until("no process of the server is left", gone, secs(20)).await?)
}
