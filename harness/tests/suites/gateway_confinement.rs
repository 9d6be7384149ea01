//! The gateway of a named profile is confined to its own directory: links to other profiles lead nowhere, and everything else works.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::probe::Request;
use hermes_harness::{Container, ContainerBuilder, StandIn, docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::{directory, hermes, ready_pid};
use crate::support::gateways::{PlantedProfiles, gateway_is, gateway_other_than};
use crate::tools::FETCH;

const PORTS: [(&str, u16); 2] = [("default", 8642), ("coder", 9301)];
const KEY: &str = "a-key-of-the-coder-in-a-file";

/// The secrets of the profile `writer`: its model key and its description of itself.
const WRITER_KEY: &str = "canary-of-the-writers-key";
const WRITER_SOUL: &str = "canary-of-the-writers-soul";

/// The way of the attack: links in the directory of a profile, which replace its own files.
const LINKS: &str = "ln -sf /opt/data/profiles/writer/SOUL.md SOUL.md
    mkdir -p workspace memories skills/taken
    ln -sf /opt/data/profiles/writer/.env workspace/AGENTS.md
    ln -sf /opt/data/profiles/writer/SOUL.md memories/MEMORY.md
    ln -sf /opt/data/profiles/writer/SOUL.md skills/taken/SKILL.md";

fn container(model: &StandIn, config: &str) -> ContainerBuilder {
    let builder = PORTS.into_iter().fold(model.idle(), |builder, (_, port)| builder.publish(port));
    let key_file =
        format!("mkdir -p /run/secrets; echo {KEY} >/run/secrets/coder; chown hermes /run/secrets/coder");
    builder
        .env("API_SERVER_HOST", "0.0.0.0")
        .env("API_SERVER_PORT", "8642")
        .profile("coder")
        .profile_file("coder", ".env", "API_SERVER_KEY_FILE=/run/secrets/coder\n")
        .profile_file("coder", "config.yaml", &format!("version: 1\ngateway: {{port: 9301}}\n{config}"))
        .profile("writer")
        .profile_file("writer", ".env", &format!("OPENAI_API_KEY={WRITER_KEY}\n"))
        .profile_file("writer", "SOUL.md", &format!("{WRITER_SOUL}\n"))
        .plant(&key_file)
}

async fn start_gateways(container: &Container) -> Result<()> {
    hermes(container, "gateway start --all").await?.success();
    for (profile, _) in PORTS {
        container.wait_until("it runs", gateway_is(profile, "running"), secs(20)).await?;
    }
    Ok(())
}

/// Asks an agent by the port of its gateway. Returns the status and the answer.
async fn ask(container: &Container, profile: &str) -> Result<(u16, String)> {
    let (_, port) = PORTS.into_iter().find(|(name, _)| *name == profile).context("a port")?;
    let key = match profile {
        "coder" => KEY.to_owned(),
        _ => hermes(container, &format!("-p {profile} gateway key show")).await?.success().text(),
    };
    ask_with(container, port, &key).await
}

async fn ask_with(container: &Container, port: u16, key: &str) -> Result<(u16, String)> {
    let body = json!({"messages": [{"role": "user", "content": "hi"}]}).to_string();
    let request = Request::post("/v1/chat/completions").json(&body);
    let request = request.header("Authorization", &format!("Bearer {key}"));
    let answer = container.http(port, &request).await?;
    Ok((answer.status, answer.text()))
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"tool_calls": [{"id": format!("call_{name}"), "name": name, "arguments": arguments}]})
}

/// Returns the field `NoNewPrivs` of the gateway's process.
async fn no_new_privs(container: &Container, profile: &str) -> Result<String> {
    let pid = ready_pid(container, profile).await?;
    let status = container.exec_sh(&format!("grep NoNewPrivs /proc/{pid}/status")).await?.success().text();
    Ok(status.split_ascii_whitespace().last().context("a number")?.to_owned())
}

#[docker_test]
async fn links_to_another_profile_bring_nothing_to_the_model() -> Result<()> {
    let model = StandIn::start().await?;
    let container = container(&model, "").start_ready().await?;
    start_gateways(&container).await?;
    let links = format!("cd {} && {LINKS}", directory("coder"));
    container.exec_sh(&links).await?.success();
    let (status, text) = ask(&container, "coder").await?;
    ensure!(status == 200, "{text}");
    ensure!(!model.requests().is_empty(), "the model got a request");
    let sent = json!(model.requests()).to_string();
    ensure!(!sent.contains("canary"), "{sent}");
    Ok(())
}

#[docker_test]
#[case::before_the_start(true)]
#[case::while_it_runs(false)]
async fn the_key_of_another_profile_is_never_used(#[case] is_before: bool) -> Result<()> {
    let model = StandIn::start().await?;
    let container = container(&model, "").start_ready().await?;
    let steal = "ln -sf /opt/data/profiles/writer/.env .env";
    let link = |profile: &str| format!("cd {} && {steal}", directory(profile));
    if is_before {
        container.exec_sh(&link("coder")).await?.success();
        hermes(&container, "-p coder gateway start").await?.either_way();
        let failed = container.wait_until("it failed", gateway_is("coder", "given-up"), secs(20)).await?;
        ensure!(!failed.ready, "{failed:?}");
        let log = container.log().await?;
        ensure!(log.contains("failed to read the settings inside of the profile's own directory"), "{log}");
        ensure!(!log.contains("canary"), "{log}");
    } else {
        start_gateways(&container).await?;
        container.exec_sh(&link("coder")).await?.success();
        let (status, text) = ask(&container, "coder").await?;
        ensure!(status == 503 && text.contains("Permission denied") && !text.contains("canary"), "{text}");
    }
    let sent = json!(model.requests()).to_string();
    ensure!(!sent.contains("canary"), "{sent}");
    // The gateway of the default profile is not confined: the same link works there.
    container.exec_sh(&link("default")).await?.success();
    hermes(&container, "gateway restart").await?.success();
    container.wait_until("it runs", gateway_is("default", "running"), secs(20)).await?;
    let (status, text) = ask(&container, "default").await?;
    ensure!(status == 200, "{text}");
    let sent = json!(model.requests()).to_string();
    ensure!(sent.contains(WRITER_KEY), "{sent}");
    Ok(())
}

/// Returns the work of an agent with each kind of tool, and a call outside of the sandbox that nobody has to approve.
fn work(model: &StandIn) -> Value {
    let url = format!("{}/models", model.url());
    let fetch = format!("perl /usr/local/lib/fetch.pl {url}");
    json!([
        call("write_file", json!({"path": "notes.txt", "content": "written\n"})),
        call("terminal", json!({"command": "cat notes.txt && echo x >$TMPDIR/x && echo done"})),
        call("terminal", json!({"command": fetch})),
        call("terminal", json!({"command": "echo typed", "pty": true})),
        call("terminal", json!({"command": "touch /var/tmp/made"})),
        call("terminal", json!({"command": "cat /opt/data/profiles/writer/.env"})),
        call("memory", json!({"action": "add", "target": "memory", "content": "remembered"})),
        {"text": "Finished."},
    ])
}

async fn tools_work(model: &StandIn, container: &Container) -> Result<()> {
    model.script(&work(model))?;
    let (status, text) = ask(container, "coder").await?;
    ensure!(status == 200 && text.contains("Finished."), "{text}");
    let results = model.tool_results();
    ensure!(results.len() == 7, "{results:#?}");
    ensure!(results[1].contains("written\ndone") && results[1].contains("[exit code 0]"), "{results:#?}");
    ensure!(results[2].contains("Stand-in") && results[2].contains("[exit code 0]"), "{results:#?}");
    ensure!(results[3].contains("typed"), "{results:#?}");
    ensure!(results[4].contains("[exit code 0]"), "{results:#?}");
    ensure!(results[5].contains("Permission denied") && !results[5].contains("canary"), "{results:#?}");
    ensure!(!results[6].contains("failed"), "{results:#?}");
    container.exec_sh("grep -q remembered /opt/data/profiles/coder/memories/MEMORY.md").await?.success();
    Ok(())
}

/// Settings of `coder`: a private host for its tools, and commands that leave the sandbox without a question.
fn config_of(model: &StandIn) -> String {
    let host = model.url().replace("http://", "").replace("/v1", "");
    format!("approvals: {{mode: 'off'}}\nterminal: {{allow_hosts: ['{host}']}}\n")
}

#[docker_test]
async fn a_confined_gateway_works_starts_and_stops() -> Result<()> {
    let model = StandIn::start().await?;
    let container = container(&model, &config_of(&model))
        .file("/usr/local/lib/fetch.pl", 0o644, FETCH)
        .start_ready()
        .await?;
    start_gateways(&container).await?;
    ensure!(no_new_privs(&container, "coder").await? == "1", "coder is not confined");
    ensure!(no_new_privs(&container, "default").await? == "0", "the default profile is confined");
    tools_work(&model, &container).await?;
    container.exec_sh("test -f /var/tmp/made").await?.success();
    let pid = ready_pid(&container, "coder").await?;
    hermes(&container, "-p coder gateway restart").await?.success();
    container.wait_until("it is back", gateway_other_than("coder", pid), secs(20)).await?;
    ensure!(ask(&container, "coder").await?.0 == 200);
    hermes(&container, "-p coder gateway stop").await?.success();
    container.wait_until("it stopped", gateway_is("coder", "stopped"), secs(20)).await?;
    let left = "ls /opt/data/profiles/coder/gateway.sock /opt/data/profiles/coder/gateway.pid";
    container.exec_sh(left).await?.failure();
    Ok(())
}

#[docker_test]
async fn a_confined_gateway_works_with_a_read_only_root() -> Result<()> {
    let model = StandIn::start().await?;
    let builder = model.idle().env("API_SERVER_HOST", "0.0.0.0").publish(9301).read_only().tmpfs("/run", "");
    let container = builder.start_ready().await?;
    for words in ["profile create coder", "-p coder config set gateway.port 9301", "-p coder gateway start"] {
        hermes(&container, words).await?.success();
    }
    container.wait_until("it runs", gateway_is("coder", "running"), secs(20)).await?;
    ensure!(no_new_privs(&container, "coder").await? == "1", "coder is not confined");
    model.script(&json!([call("terminal", json!({"command": "echo x >$TMPDIR/x && echo done"})), {"text": "Finished."}]))?;
    let key = hermes(&container, "-p coder gateway key show").await?.success().text();
    let (status, text) = ask_with(&container, 9301, &key).await?;
    ensure!(status == 200 && text.contains("Finished."), "{text}");
    let results = model.tool_results();
    ensure!(results[0].contains("done") && results[0].contains("[exit code 0]"), "{results:#?}");
    Ok(())
}
