//! Escape sequences in text that an agent writes and an operator reads. A terminal ignores them; a pipe gets the bytes.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Terminal, docker_test, secs};
use serde_json::Value;

/// Text that clears the screen, sets the title, and forges a line.
const REASON: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}evil\u{202e}\u{9b}31m\nforged: line";

/// Writes the text to the files that `hermes` prints from, as the account.
async fn plant(container: &Container) -> Result<()> {
    let state = serde_json::json!({ "gateway_state": "startup_failed", "exit_reason": REASON, "desired_state": "stopped" });
    container.exec(["hermes", "profile", "create", "coder"]).await?.success();
    let script = "printf '%s' \"$1\" >/opt/data/profiles/coder/gateway_state.json; printf '%s' \"$2\" >>/opt/data/profiles/coder/config.yaml
        mkdir -p /opt/data/logs/gateways/coder; printf '%s\\n' \"$3\" >/opt/data/logs/gateways/coder/current";
    let config = format!("\nmodel:\n  default: {}\n", Value::from(REASON));
    container.exec(["sh", "-c", script, "sh", &state.to_string(), &config, REASON]).await?.success();
    Ok(())
}

#[docker_test]
async fn text_of_an_agent_does_not_control_the_operators_terminal() -> Result<()> {
    let builder = Container::builder().cmd(["bash", "--norc"]);
    let (container, mut terminal): (Container, Terminal) = builder.open_terminal(200, 50).await?;
    terminal.wait_for("$ ", secs(20)).await?;
    plant(&container).await?;
    for words in [
        "-p coder gateway status",
        "profile show coder",
        "gateway list",
        "status",
        "doctor",
        "dump",
        "-p coder config list",
        "-p coder config get model.default",
        "-p coder logs",
        "-p coder gateway status --json",
        "-p coder config list --json",
    ] {
        // A planted sequence would clear the line above the output.
        terminal.type_line(&format!("clear; echo be''fore; hermes {words}; echo af''ter")).await?;
        terminal.wait_for("after", secs(20)).await?;
        let screen = terminal.screen();
        ensure!(screen.contains("before"), "{words} cleared the screen:\n{screen}");
        ensure!(!screen.lines().any(|line| line.trim_start().starts_with("forged:")), "{words}:\n{screen}");
    }
    Ok(())
}

#[docker_test]
async fn a_pipe_gets_the_bytes_of_an_agent_unchanged() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    plant(&container).await?;
    let value = container.exec(["hermes", "-p", "coder", "config", "get", "model.default"]).await?.success();
    ensure!(value.stdout().trim_end_matches('\n') == REASON, "{:?}", value.stdout());
    let status = container.exec(["hermes", "-p", "coder", "gateway", "status", "--json"]).await?.success();
    let status: Value = serde_json::from_str(&status.stdout())?;
    ensure!(
        status.to_string().contains(&Value::from(REASON).to_string().trim_matches('"').to_owned()),
        "{status}"
    );
    Ok(())
}
