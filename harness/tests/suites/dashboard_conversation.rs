//! A person talks to an agent on its page of the dashboard.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, StandIn, docker_test, secs};
use serde_json::{Value, json};

use crate::dashboard_pages::{Dash, with_dashboard};
use crate::support::driving::ACCOUNT;
use crate::support::gateways::gateway_is;

/// A running agent with its page.
struct Talk {
    model: StandIn,
    dash: Dash,
}

impl Talk {
    async fn start(steps: &Value) -> Result<Self> {
        let model = StandIn::start().await?;
        model.script(steps)?;
        let config = "command_allowlist: []\napprovals:\n  mode: ask\n";
        let builder = with_dashboard()
            .owned_file("/opt/data/config.yaml", 0o600, ACCOUNT, config)
            .cmd(["gateway", "run"]);
        let dash = Dash::of(model.model_of(builder)).await?;
        dash.container().wait_until("the gateway runs", gateway_is("default", "running"), secs(20)).await?;
        Ok(Self { model, dash })
    }

    /// Logs in, and goes to the page of the agent.
    async fn enter(&self, browser: &Browser) -> Result<()> {
        self.dash.enter(browser).await?;
        browser.goto(&self.dash.url("/profiles/default")).await?;
        browser.wait_for("#say-text").await?;
        Ok(())
    }
}

#[docker_test]
async fn an_answer_streams_and_is_rendered_at_its_end() -> Result<()> {
    let text = "# Streamed\n\nThis is **bold**, and <img src=x onerror=\"window.pwned = 1\"> is text.\n\n```\nlet a;\n```\n\nThe end.";
    let talk = Talk::start(&json!([
        {"text": text, "chunk_bytes": 4, "delay_ms": 100},
        {"text": "Second answer."},
    ]))
    .await?;
    let browser = Browser::builder().start().await?;
    talk.enter(&browser).await?;
    browser.execute("window.notLoadedAgain = true;").await?;
    browser.fill("#say-text", "<b>Hello</b>").await?;
    browser.click_text("Send").await?;
    let begun = "const live = document.querySelector('.live .said.agent'); \
                 return live !== null && live.textContent.includes('Streamed') && !live.textContent.includes('The end.') && \
                 live.querySelector('h3:not(:first-child), strong') === null;";
    browser.wait_for_script("a part of the answer is shown as text", begun).await?;
    browser.wait_for("#messages .markdown strong").await?;
    browser.wait_for("#messages pre.code").await?;
    browser.wait_for("#messages .copy").await?;
    ensure!(browser.text("#messages .person .plain").await? == "<b>Hello</b>");
    ensure!(browser.text("#messages .markdown").await?.contains("<img src=x"));
    browser.fill("#say-text", "again").await?;
    browser.press("Enter").await?;
    browser.wait_for_text("Second answer.").await?;
    let seen = browser
        .execute("return [window.notLoadedAgain, window.pwned === undefined, document.querySelectorAll('.sessions li').length];")
        .await?;
    ensure!(seen == json!([true, true, 1]), "{seen}");
    browser.expect_quiet_console().await?;
    browser.expect_accessible().await?;
    Ok(())
}

#[docker_test]
async fn a_person_approves_a_command_by_a_button() -> Result<()> {
    let call =
        json!({"tool_calls": [{"id": "call_1", "name": "terminal", "arguments": {"command": "echo r'a'n"}}]});
    let talk = Talk::start(&json!([call, {"text": "Finished."}])).await?;
    let browser = Browser::builder().start().await?;
    talk.enter(&browser).await?;
    browser.fill("#say-text", "go").await?;
    browser.click_text("Send").await?;
    browser.wait_for("#pending form.ask button[value=\"once\"]").await?;
    ensure!(browser.text("#pending pre").await? == "echo r'a'n");
    // Another page of the same session shows the question, too.
    browser.reload().await?;
    browser.wait_for("#pending form.ask button[value=\"once\"]").await?;
    browser.click_text("Allow once").await?;
    browser.wait_for_text("Finished.").await?;
    browser.wait_for("#messages details.tool .state.good").await?;
    let results = talk.model.tool_results();
    ensure!(results.iter().any(|result| result.contains("ran")), "{results:?}");
    browser.expect_quiet_console().await?;
    Ok(())
}

#[docker_test]
async fn the_button_stops_an_answer() -> Result<()> {
    let text = "word ".repeat(400);
    let talk = Talk::start(&json!([{"text": text, "chunk_bytes": 5, "delay_ms": 100}])).await?;
    let browser = Browser::builder().start().await?;
    talk.enter(&browser).await?;
    browser.fill("#say-text", "go").await?;
    browser.click_text("Send").await?;
    browser.wait_for_text("word word").await?;
    browser.click("#stop").await?;
    browser.wait_for_text("The answer was stopped.").await?;
    browser.wait_for_text("interrupted").await?;
    Ok(())
}

#[docker_test]
async fn a_plain_form_sends_and_shows_the_answer() -> Result<()> {
    let talk = Talk::start(&json!([{"text": "An **answer**."}, {"text": "Another one."}])).await?;
    let browser = Browser::builder().without_javascript().start().await?;
    talk.enter(&browser).await?;
    browser.fill("#say-text", "one\ntwo").await?;
    browser.click_text("Send").await?;
    browser.wait_for("#messages .markdown strong").await?;
    ensure!(browser.text("#messages .person .plain").await? == "one\ntwo");
    browser.click_text("Retry").await?;
    browser.wait_for_text("Another one.").await?;
    ensure!(!browser.text("#messages").await?.contains("An answer."));
    browser.click(".session-tools summary").await?;
    browser.fill("#title", "My plans").await?;
    browser.click_text("Rename").await?;
    browser.wait_for_text("My plans").await?;
    browser.click(".session-tools summary").await?;
    browser.click_text("Delete session…").await?;
    browser.wait_for_text("Delete this session?").await?;
    browser.click("form button.danger").await?;
    browser.wait_for_text("There is no session yet.").await?;
    Ok(())
}
