//! The dashboard without JavaScript: plain forms, and pages that report the result.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test};

use super::{Dash, row};

#[docker_test]
async fn an_agent_lives_and_ends_without_javascript() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().without_javascript().start().await?;
    dash.enter(&browser).await?;
    browser.fill("#new-name", "coder").await?;
    browser.click_text("Create").await?;
    browser.wait_for_text("coder was created.").await?;
    browser.click(&row("coder", "button[value=\"start:coder\"]")).await?;
    browser.wait_for_text("coder is running.").await?;
    ensure!(browser.text(&row("coder", ".state")).await? == "running");
    browser.wait_for_text("2 agents, 1 running").await?;

    // A taken name leads to a page with the error and a link.
    browser.fill("#new-name", "coder").await?;
    browser.click_text("Create").await?;
    browser.wait_for_text("It did not work").await?;
    browser.wait_for_text("coder").await?;
    browser.click_text("To the overview").await?;

    browser.fill("#q", "cod").await?;
    browser.click_text("Find").await?;
    // The harness may run scripts; the page may not.
    browser
        .wait_for_script("what is looked for is in the address", "return location.search === '?q=cod'")
        .await?;
    browser.wait_for("#profiles").await?;
    let rows = browser
        .execute("return document.querySelectorAll('#profiles tbody tr:not([hidden])').length")
        .await?;
    ensure!(rows == 1, "{rows} rows");
    browser.click(&row("coder", "th a")).await?;
    browser.wait_for_text("is ready").await?;
    browser.fill("#soul-text", "You write <b>code</b> & tests.").await?;
    browser.click_text("Save").await?;
    browser.wait_for_text("coder has its new SOUL.md").await?;
    ensure!(dash.sh("cat /opt/data/profiles/coder/SOUL.md").await? == "You write <b>code</b> & tests.");

    browser.click_text("Stop").await?;
    browser.wait_for_text("coder is stopped.").await?;
    browser.click_text("Delete…").await?;
    browser.fill("#confirm", "other").await?;
    browser.click("form button.danger").await?;
    browser.wait_for_text("nothing was deleted").await?;
    browser.fill("#confirm", "coder").await?;
    browser.click("form button.danger").await?;
    browser.wait_for_text("coder was deleted.").await?;
    ensure!(dash.sh("ls /opt/data/profiles").await?.is_empty());
    Ok(())
}
