//! A conversation with an agent: in a terminal's place, and through the API of its gateway.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::{Container, Look, StandIn, Volume, docker_test, secs};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::driving::{hermes, ready_pid};
use crate::support::gateways::gateway_is;

/// Returns the texts of the messages that the model got last.
fn last_messages(model: &StandIn) -> Result<Vec<String>> {
    let requests = model.requests();
    let messages = requests.last().context("the model got a request")?["body"]["messages"].clone();
    let messages = messages.as_array().context("messages")?.iter();
    Ok(messages.map(|message| message["content"].as_str().unwrap_or_default().to_owned()).collect())
}

#[docker_test]
async fn a_session_continues_in_the_next_container() -> Result<()> {
    let model = StandIn::start().await?;
    let volume = Volume::new().await?;
    model.script(&json!([{"text": "First answer."}, {"text": "Second answer."}]))?;
    let ask = async |arguments: &[&str]| {
        let mut builder = Container::builder().volume(&volume, "/opt/data");
        for (name, value) in model.environment() {
            builder = builder.env(name, &value);
        }
        builder.run([&["chat"], arguments].concat()).await
    };
    ask(&["-q", "first question"]).await?.success().stdout_is("First answer.");
    ask(&["--continue", "-q", "second question"]).await?.success().stdout_is("Second answer.");
    let sent = last_messages(&model)?;
    ensure!(sent[1..] == ["first question", "First answer.", "second question"], "{sent:?}");
    Ok(())
}

#[docker_test]
#[case::hosted("OPENAI_API_KEY")]
#[case::local("OPENAI_BASE_URL=http://HOST:PORT/v1")]
#[case::asked("hermes setup")]
async fn without_a_model_the_message_says_what_to_set(#[case] advice: &str) -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let asked = hermes(&container, "chat -q hi").await?.code(78);
    asked.stdout_is("").stderr_matches(contains(advice));
    Ok(())
}

#[docker_test]
async fn failed_call_ends_with_code_1_and_its_cause() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([{"fault": "status", "status": 401}]))?;
    let container = model.idle().start_ready().await?;
    let asked = hermes(&container, "chat --json -q hi").await?.code(1);
    let answer: Value = serde_json::from_str(&asked.stdout())?;
    ensure!(answer["stop_reason"] == "failed", "{answer}");
    ensure!(answer["error"]["class"] == "authentication", "{answer}");
    Ok(())
}

#[docker_test]
async fn a_kill_in_an_answer_loses_only_that_answer() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([{"text": "Kept."}, {"fault": "stall"}, {"text": "Alive."}]))?;
    let container = model.idle().start_ready().await?;
    hermes(&container, "chat -q one").await?.success().stdout_is("Kept.");
    let ask = container.exec_sh("hermes chat -c -q two & echo $! > /tmp/asking; wait").deadline(secs(30));
    let kill = async {
        let called = async |_: &Container| {
            let count = model.requests().len();
            Ok(Look::holds(count == 2, || format!("{count} calls")))
        };
        container.wait_until("the model got the second call", called, secs(20)).await?;
        container.exec_sh("kill -9 $(cat /tmp/asking)").await
    };
    let (asked, killed) = tokio::join!(ask.into_future(), kill);
    asked?.success();
    killed?.success();
    hermes(&container, "chat -c -q three").await?.success().stdout_is("Alive.");
    let sent = last_messages(&model)?;
    ensure!(sent[1..].join("|").starts_with("one|Kept.|two"), "{sent:?}");
    ensure!(sent.last().is_some_and(|last| last.contains("three")), "{sent:?}");
    Ok(())
}

#[docker_test]
async fn the_gateway_remembers_after_a_restart() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([{"text": "Noted."}, {"text": "It is blue."}]))?;
    let container = model.idle().start_ready().await?;
    hermes(&container, "gateway start").await?.success();
    let key = hermes(&container, "gateway key show").await?.success().text();
    let ask = async |text: &str| {
        let body = json!({ "messages": [{ "role": "user", "content": text }] }).to_string();
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/8642; printf 'POST /v1/chat/completions HTTP/1.1\\r\\nhost: localhost\\r\\n\
             authorization: Bearer {}\\r\\nx-hermes-session-id: colours\\r\\ncontent-type: application/json\\r\\n\
             connection: close\\r\\ncontent-length: {}\\r\\n\\r\\n%s' '{body}' >&3; cat <&3",
            key.trim(),
            body.len()
        );
        container.exec(["bash", "-c", &script]).await
    };
    ask("my colour is blue").await?.success().stdout_matches(contains("Noted."));
    container.restart().await?;
    container.ready().await?;
    container.wait_until("the gateway is ready", gateway_is("default", "running"), secs(20)).await?;
    ask("which colour").await?.success().stdout_matches(contains("It is blue."));
    let sent = last_messages(&model)?;
    ensure!(sent[1..] == ["my colour is blue", "Noted.", "which colour"], "{sent:?}");
    Ok(())
}

#[docker_test]
async fn the_port_answers_no_request_without_the_key() -> Result<()> {
    let model = StandIn::start().await?;
    let container = model.idle().start_ready().await?;
    hermes(&container, "gateway start").await?.success();
    let script = "exec 3<>/dev/tcp/127.0.0.1/8642; \
                  printf 'GET /v1/models HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n' >&3; cat <&3";
    let answer = container.exec(["bash", "-c", script]).await?.success();
    answer.stdout_matches(contains("401 Unauthorized").and(contains("invalid_api_key")));
    Ok(())
}

#[docker_test]
async fn a_gateway_closes_its_environment_to_the_account() -> Result<()> {
    let model = StandIn::start().await?;
    let container = model.idle().start_ready().await?;
    hermes(&container, "gateway start").await?.success();
    let pid = ready_pid(&container, "default").await?;
    for file in ["environ", "maps"] {
        let read = container.exec(["cat", &format!("/proc/{pid}/{file}")]).await?.code(1);
        read.stdout_is("").stderr_matches(contains("Permission denied"));
    }
    Ok(())
}
