//! One agent from its creation to its deletion, in the browser alone.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test};
use serde_json::json;

use super::{
    Dash, check_complaints, check_marked, check_no_complaints, mark, row, row_says, wait_until_row_is_gone,
};

/// Returns a script that counts the shown lines of the log with a word.
fn lines_with(word: &str) -> String {
    format!(
        "[...document.querySelectorAll('#log span')].filter((line) => line.textContent.includes('{word}')).length"
    )
}

async fn wait_for_log_lines(browser: &Browser, word: &str, lines: u64) -> Result<()> {
    let script = format!("const n = {}; return n === {lines} || n;", lines_with(word));
    Ok(browser.wait_for_script(&format!("{lines} lines with {word:?} in the log"), &script).await?)
}

#[docker_test]
async fn an_agent_lives_and_ends_without_a_page_reload() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    let link = dash.link_of_the_log().await?;
    ensure!(link == dash.link_of_the_command().await?, "{link}");
    browser.goto(&link).await?;
    browser.wait_for("#profiles").await?;
    ensure!(!browser.url().await?.contains("token"), "it stays in the address: {}", browser.url().await?);
    mark(&browser).await?;

    browser.fill("#new-name", "coder").await?;
    browser.click_text("Create").await?;
    browser.wait_for_text("coder was created.").await?;
    row_says(&browser, "coder", "stopped").await?;
    browser.click(&row("coder", "button[value=\"start:coder\"]")).await?;
    row_says(&browser, "coder", "running").await?;
    browser.wait_for_text("coder is running.").await?;
    browser
        .wait_for_script(
            "the summary counts it",
            "return document.querySelector('.summary').textContent.trim() === '2 agents, 1 running'",
        )
        .await?;
    check_marked(&browser).await?;
    check_no_complaints(&browser, "on the overview").await?;

    browser.click(&row("coder", "th a")).await?;
    browser.wait_for("h1[data-watch=coder] .state.good").await?;
    mark(&browser).await?;
    wait_for_log_lines(&browser, "is ready", 1).await?;
    // Another user restarts it.
    // The time of a line is that of the reader, and its stamp is there as well.
    let time = "const time = document.querySelector('#log time'); const at = new Date(time.dateTime); \
        return /^\\d{4}-\\d\\d-\\d\\d .*\\.\\d+$/.test(time.title) && time.title.startsWith(at.toISOString().slice(0, 10)) \
            && time.textContent === at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }) \
            || time.outerHTML;";
    ensure!(browser.execute(time).await? == true, "{}", browser.execute(time).await?);
    let facts = "return document.getElementById('live').textContent";
    let before = browser.execute(facts).await?;
    dash.sh("hermes -p coder gateway restart").await?;
    wait_for_log_lines(&browser, "is ready", 2).await?;
    // The page shows the new process.
    let pid =
        dash.sh("hermes -p coder gateway status --json | grep -o '\"pid\":[0-9]*' | cut -d: -f2").await?;
    let shown = format!("return document.getElementById('live').textContent.includes('{}')", pid.trim());
    browser.wait_for_script("the page shows the new process", &shown).await?;
    ensure!(!before.to_string().contains(pid.trim()), "it had the process before: {before}");

    browser.click("#pause").await?;
    dash.sh("echo 'held back' >>/opt/data/logs/gateways/coder/current").await?;
    browser
        .wait_for_script(
            "one line is held back",
            "return document.getElementById('pause').textContent === 'Go on (1 new)'",
        )
        .await?;
    ensure!(browser.execute(&format!("return {}", lines_with("held back"))).await? == json!(0));
    browser.click("#pause").await?;
    wait_for_log_lines(&browser, "held back", 1).await?;
    check_marked(&browser).await?;

    browser.fill("#search", "is ready").await?;
    browser.click_text("Search").await?;
    browser.wait_for_text("2 lines contain “is ready”").await?;
    let others = browser
        .execute(&format!(
            "return document.querySelectorAll('#log span').length - {}",
            lines_with("is ready")
        ))
        .await?;
    ensure!(others == json!(0), "{others} lines do not hold it");
    browser.click_text("Show all").await?;
    browser.wait_for("#pause").await?;
    wait_for_log_lines(&browser, "held back", 1).await?;

    mark(&browser).await?;
    browser.click_text("Stop").await?;
    browser.wait_for("h1 .state.quiet").await?;
    browser.wait_for_text("coder is stopped.").await?;
    browser.wait_for("button[value=\"start:coder\"]").await?;
    check_marked(&browser).await?;
    check_no_complaints(&browser, "on its page").await?;

    browser.click_text("Delete…").await?;
    browser.fill("#confirm", "code").await?;
    browser.click("form button.danger").await?;
    browser.wait_for_text("nothing was deleted").await?;
    // Chromium logs every refused request.
    check_complaints(&browser, "after the wrong name", "422 (Unprocessable").await?;
    ensure!(dash.sh("ls /opt/data/profiles").await? == "coder");
    browser.fill("#confirm", "coder").await?;
    browser.click("form button.danger").await?;
    browser.wait_for_text("coder was deleted.").await?;
    wait_until_row_is_gone(&browser, "coder").await?;
    ensure!(dash.sh("ls /opt/data/profiles").await?.is_empty());
    check_no_complaints(&browser, "at the end").await
}
