//! Calls that wait for a person: answered on the terminal and by the API, not answered, and cut by a restart.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::probe::Request;
use hermes_harness::{Container, Look, StandIn, docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::{ACCOUNT, hermes};
use crate::support::gateways::gateway_is;

const PORT: u16 = 8642;

/// A gateway that asks before each command, and its scripted model.
struct Agent {
    model: StandIn,
    container: Container,
    key: String,
}

impl Agent {
    async fn start(config: &str) -> Result<Self> {
        let model = StandIn::start().await?;
        let config = format!("command_allowlist: []\napprovals:\n  mode: ask\n{config}");
        let builder = Container::builder()
            .env("API_SERVER_HOST", "0.0.0.0")
            .publish(PORT)
            .owned_file("/opt/data/config.yaml", 0o600, ACCOUNT, config)
            .cmd(["gateway", "run"]);
        let container = model.model_of(builder).start_ready().await?;
        container.wait_until("the gateway runs", gateway_is("default", "running"), secs(10)).await?;
        let key = hermes(&container, "gateway key show").await?.success().text();
        Ok(Self { model, container, key })
    }

    /// Sends a request with the key. Returns the status and the JSON of the answer.
    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = Request::new(method, path).header("Authorization", &format!("Bearer {}", self.key));
        let request = if body.is_null() { request } else { request.json(&body.to_string()) };
        let answer = self.container.http(PORT, &request).await?;
        let text = answer.text();
        Ok((answer.status, serde_json::from_str(&text).with_context(|| text)?))
    }

    /// Scripts a turn with one command, and begins it as a run. Returns the ID of the run.
    async fn run(&self, command: &str) -> Result<String> {
        self.model.script(&json!([call(command), {"text": "Finished."}]))?;
        let (status, run) = self.send("POST", "/v1/runs", &json!({"input": "go"})).await?;
        ensure!(status == 202, "{status} {run}");
        Ok(run["run_id"].as_str().context("an ID")?.to_owned())
    }

    /// Waits for a question, and returns it.
    async fn question(&self) -> Result<Value> {
        let waits = async |_: &Container| {
            let (_, listed) = self.send("GET", "/api/approvals", &Value::Null).await?;
            let first = listed["data"].get(0).cloned();
            Ok(Look::from_option(first, || listed.to_string()))
        };
        Ok(self.container.wait_until("a question waits", waits, secs(20)).await?)
    }

    /// Waits for the end of a run. Returns the result that the model got.
    async fn result_of(&self, run: &str) -> Result<String> {
        let ended = async |_: &Container| {
            let (_, run) = self.send("GET", &format!("/v1/runs/{run}"), &Value::Null).await?;
            Ok(Look::holds(run["status"] == "completed", || run.to_string()))
        };
        self.container.wait_until("the run ended", ended, secs(20)).await?;
        result(&self.model)
    }
}

fn call(command: &str) -> Value {
    json!({"tool_calls": [{"id": "call_1", "name": "terminal", "arguments": {"command": command}}]})
}

/// Returns the last result of a tool that the model got.
fn result(model: &StandIn) -> Result<String> {
    model.tool_results().pop().context("a result")
}

#[docker_test]
#[case::once("once", "ran")]
#[case::deny("deny", "A person denied this.")]
async fn a_run_waits_for_the_answer_by_the_api(#[case] choice: &str, #[case] expected: &str) -> Result<()> {
    let agent = Agent::start("").await?;
    let run = agent.run("echo ran").await?;
    let question = agent.question().await?;
    ensure!(question["subject"] == "echo ran" && question["tool"] == "terminal", "{question}");
    let path = format!("/v1/runs/{run}/approval");
    let (status, answer) = agent.send("POST", &path, &json!({"choice": "perhaps"})).await?;
    ensure!(status == 400, "{answer}");
    let (status, answer) = agent.send("POST", &path, &json!({"choice": choice})).await?;
    ensure!(status == 200 && answer["state"] == choice && answer["answered_by"] == "api", "{answer}");
    let result = agent.result_of(&run).await?;
    ensure!(result.contains(expected), "{result}");
    let (status, _) = agent.send("POST", &path, &json!({"choice": "once"})).await?;
    ensure!(status == 404, "no question is left");
    let id = question["id"].as_str().context("an ID")?;
    let (status, answer) =
        agent.send("POST", &format!("/api/approvals/{id}"), &json!({"choice": "once"})).await?;
    ensure!(status == 409, "{answer}");
    let (_, events) = agent.events(&run).await?;
    for event in ["event: approval.requested", "event: approval.ended", "event: run.completed"] {
        ensure!(events.contains(event), "{event} is missing: {events}");
    }
    Ok(())
}

impl Agent {
    async fn events(&self, run: &str) -> Result<(u16, String)> {
        let request = Request::get(&format!("/v1/runs/{run}/events"));
        let request = request.header("Authorization", &format!("Bearer {}", self.key));
        let answer = self.container.http(PORT, &request).await?;
        Ok((answer.status, answer.text()))
    }
}

#[docker_test]
async fn no_answer_in_time_is_a_denial() -> Result<()> {
    let agent = Agent::start("  timeout: 1\n").await?;
    let run = agent.run("echo ran").await?;
    let result = agent.result_of(&run).await?;
    ensure!(result.contains("nobody answered in time") && !result.contains("exit code"), "{result}");
    Ok(())
}

#[docker_test]
async fn a_denied_call_stays_denied_in_other_words() -> Result<()> {
    let agent = Agent::start("").await?;
    agent
        .model
        .script(&json!([call("echo one"), call("echo  one"), call("cat /etc/hosts"), {"text": "No."}]))?;
    let (_, run) = agent.send("POST", "/v1/runs", &json!({"input": "go"})).await?;
    let run = run["run_id"].as_str().context("an ID")?;
    agent.question().await?;
    agent.send("POST", &format!("/v1/runs/{run}/approval"), &json!({"choice": "deny"})).await?;
    let result = agent.result_of(run).await?;
    ensure!(result.contains("earlier in this turn, so it was not asked again"), "{result}");
    Ok(())
}

#[docker_test]
async fn an_approval_for_good_is_not_asked_again() -> Result<()> {
    let agent = Agent::start("").await?;
    let step = async |choice: &str| {
        let run = agent.run("echo again").await?;
        agent.question().await?;
        agent.send("POST", &format!("/v1/runs/{run}/approval"), &json!({"choice": choice})).await?;
        agent.result_of(&run).await
    };
    ensure!(step("always").await?.contains("again"));
    let run = agent.run("echo again").await?;
    ensure!(agent.result_of(&run).await?.contains("[exit code 0]"), "another session, no question");
    agent.container.exec(["hermes", "approvals", "forget", "echo again"]).await?.success();
    ensure!(step("deny").await?.contains("denied"), "it asks again");
    Ok(())
}

#[docker_test]
async fn a_restart_ends_a_question_and_keeps_the_session_whole() -> Result<()> {
    let agent = Agent::start("").await?;
    agent.run("echo ran").await?;
    let question = agent.question().await?;
    agent.container.kill("KILL").await?;
    agent.container.start().await?;
    agent.container.wait_until("the gateway runs", gateway_is("default", "running"), secs(20)).await?;
    // The first request opens the agent, which closes the turn of the dead process.
    let (_, listed) = agent.send("GET", "/api/approvals", &Value::Null).await?;
    ensure!(listed["data"] == json!([]), "{listed}");
    let id = question["id"].as_str().context("an ID")?;
    let (status, answer) =
        agent.send("POST", &format!("/api/approvals/{id}"), &json!({"choice": "once"})).await?;
    ensure!(status == 409, "{answer}");
    agent.model.script(&json!([{"text": "Whole."}]))?;
    let session = question["session_id"].as_str().context("a session")?;
    let (status, answer) =
        agent.send("POST", &format!("/api/sessions/{session}/chat"), &json!({"message": "go on"})).await?;
    ensure!(status == 200 && answer["text"] == "Whole.", "{status} {answer}");
    ensure!(result(&agent.model)?.contains("did not start"), "{}", result(&agent.model)?);
    Ok(())
}

#[docker_test]
async fn a_streamed_chat_tells_the_question() -> Result<()> {
    let agent = Agent::start("  timeout: 1\n").await?;
    agent.model.script(&json!([call("echo ran"), {"text": "Finished."}]))?;
    let body = json!({"stream": true, "messages": [{"role": "user", "content": "go"}]}).to_string();
    let request =
        Request::post("/v1/chat/completions").header("Authorization", &format!("Bearer {}", agent.key));
    let answer = agent.container.http(PORT, &request.json(&body)).await?.text();
    let chunks =
        answer.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let questions: Vec<Value> = chunks.map(|chunk| chunk["hermes"]["approval"].clone()).collect();
    let question = questions.iter().find(|question| !question.is_null()).with_context(|| answer.clone())?;
    ensure!(question["subject"] == "echo ran", "{question}");
    ensure!(answer.contains("Finished."), "{answer}");
    Ok(())
}

#[docker_test]
async fn a_person_answers_on_the_terminal() -> Result<()> {
    let model = StandIn::start().await?;
    let config = "approvals:\n  mode: ask\n";
    let builder = model.idle().owned_file("/opt/data/config.yaml", 0o600, ACCOUNT, config);
    let container = builder.start_ready().await?;
    model.script(&json!([
        call("echo first"), {"text": "One."}, call("echo second"), {"text": "Two."},
    ]))?;
    let mut terminal = container.exec(["hermes"]).env("TERM", "xterm").open_terminal(100, 30).await?;
    terminal.wait_for("›", secs(20)).await?;
    terminal.type_line("go").await?;
    terminal.wait_for("[o]nce, [s]ession, [a]lways or [d]eny", secs(20)).await?;
    ensure!(terminal.screen().contains("    echo first"), "{terminal:?}");
    terminal.type_line("yes").await?;
    terminal.wait_for("answer with o, s, a or d", secs(20)).await?;
    terminal.type_line("o").await?;
    terminal.wait_for("One.", secs(20)).await?;
    ensure!(result(&model)?.contains("first"), "{}", result(&model)?);
    terminal.type_line("again").await?;
    terminal.wait_for("    echo second", secs(20)).await?;
    terminal.type_line("d").await?;
    terminal.wait_for("Two.", secs(20)).await?;
    ensure!(result(&model)?.contains("A person denied this."), "{}", result(&model)?);
    Ok(())
}
