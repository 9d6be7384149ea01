//! Agents with problems, and logs with hostile content.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test, secs};
use serde_json::json;

use super::{Dash, check_marked, check_no_complaints, mark, row, row_says, with_dashboard};
use crate::support::gateways::PlantedProfiles as _;

#[docker_test]
async fn a_given_up_gateway_is_shown_with_its_error() -> Result<()> {
    let dash = Dash::of(with_dashboard().profile("scout").profile_file(
        "scout",
        "config.yaml",
        "gateway:\n  port: 70000\n",
    ))
    .await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    mark(&browser).await?;
    browser.click(&row("scout", "button[value=\"start:scout\"]")).await?;
    row_says(&browser, "scout", "given-up").await?;
    browser.wait_for("#told .banner.bad").await?;
    let told = browser.text("#told").await?;
    ensure!(told.contains("70000") && told.contains("Log of scout") && !told.contains("hermes "), "{told}");
    let problem = browser.text(&row("scout", ".problem")).await?;
    ensure!(problem.contains("70000") && problem.contains("config.yaml"), "{problem}");
    browser.wait_for_script("the summary counts it", "return document.querySelector('.summary').textContent.trim() === '2 agents, 0 running, 1 in trouble'").await?;
    check_marked(&browser).await?;
    browser.click(&row("scout", "th a")).await?;
    browser.wait_for("h1 .state.bad").await?;
    ensure!(browser.text("#problem").await?.contains("70000"));
    ensure!(browser.text("#log").await?.contains("70000"));

    // After the correction it runs, and the error disappears without a reload.
    dash.sh("rm /opt/data/profiles/scout/config.yaml").await?;
    mark(&browser).await?;
    browser.click_text("Start").await?;
    browser.wait_for("h1 .state.good").await?;
    browser
        .wait_for_script(
            "the error is gone",
            "return document.getElementById('problem').childElementCount === 0",
        )
        .await?;
    check_marked(&browser).await
}

/// Hostile lines as an argument of `printf`.
const HOSTILE: &str = concat!(
    r"<script>window.pwned = 1</script><img src=x onerror=\042window.pwned = 1\042></pre><h1>mine</h1>\n",
    r"\033[31mred\033[0m \033]0;title\007after \033[2Jcleared\n",
    r"nul\000 soh\001 back\010 del\177 return\015over\n",
    r"bad\377\376utf8 cut\303\n",
    r"\342\200\256reversed\n",
);

#[docker_test]
async fn logs_souls_and_settings_never_become_markup() -> Result<()> {
    let dash = Dash::up().await?;
    dash.sh("hermes profile create coder && hermes -p coder gateway start").await?;
    let script = format!("printf '{HOSTILE}' >>/opt/data/logs/gateways/coder/current");
    dash.sh(&script).await?;
    dash.sh(
        "cd /opt/data/profiles/coder && printf '</textarea><script>window.pwned = 1</script>' >SOUL.md && \
         printf 'odd:\\n  \"<b>word</b>\": \"<script>window.pwned = 1</script>\"\\n' >config.yaml",
    )
    .await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    browser.goto(&dash.url("/profiles/coder")).await?;
    check_escaped(&browser, 1).await?;
    // The same lines arrive while the page follows the log.
    dash.sh(&script).await?;
    check_escaped(&browser, 2).await?;
    let soul = browser.execute("return document.getElementById('soul-text').value").await?;
    ensure!(soul == "</textarea><script>window.pwned = 1</script>", "{soul}");
    browser.wait_for_text("<b>word</b>").await?;
    // The page shows the search text as well.
    browser.fill("#search", "<script>window.pwned").await?;
    browser.click_text("Search").await?;
    browser.wait_for_text("2 lines contain “<script>window.pwned”").await?;
    ensure!(browser.execute("return window.pwned === undefined").await? == json!(true));
    check_no_complaints(&browser, "with hostile lines").await
}

/// Checks that the log shows all lines as text, each `times` times.
async fn check_escaped(browser: &Browser, times: usize) -> Result<()> {
    let last =
        format!("return document.getElementById('log').textContent.split('reversed').length - 1 === {times}");
    browser.within(secs(10)).wait_for_script("the last hostile line", &last).await?;
    let text = browser.execute("return document.getElementById('log').textContent").await?;
    let text = text.as_str().unwrap_or_default();
    for shown in [
        "<script>window.pwned = 1</script><img src=x onerror=\"window.pwned = 1\"></pre><h1>mine</h1>",
        "red after cleared",
        "nul␀ soh␁ back␈ del␡ return␍over",
        "bad\u{fffd}\u{fffd}utf8 cut\u{fffd}",
        "\u{fffd}reversed",
    ] {
        ensure!(text.matches(shown).count() == times, "{shown:?} is not {times} times in {text:?}");
    }
    ensure!(!text.contains(['\u{1b}', '\u{0}', '\u{7f}', '\u{202e}', '\r']), "{text:?}");
    let markup = "return document.querySelectorAll('#log :not(span, time), h1:not([data-watch])').length + (window.pwned || 0)";
    let markup = browser.execute(markup).await?;
    ensure!(markup == json!(0), "{markup}");
    Ok(())
}
