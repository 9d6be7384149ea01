//! The search for an agent by its name.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test};

use super::{Dash, check_marked, mark, row_says};

/// The names of the agents that are shown.
const SHOWN: &str = "[...document.querySelectorAll('#profiles tbody tr')].filter((row) => !row.hidden)\
                     .map((row) => row.dataset.profile).join(' ')";

async fn wait_for_shown(browser: &Browser, agents: &str) -> Result<()> {
    let script = format!("const shown = {SHOWN}; return shown === '{agents}' || shown;");
    Ok(browser.wait_for_script(&format!("{agents:?} is shown"), &script).await?)
}

#[docker_test]
async fn a_search_from_the_address_changes_without_a_reload() -> Result<()> {
    let dash = Dash::up().await?;
    dash.sh("hermes profile create coder && hermes profile create writer").await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    browser.goto(&dash.url("/?q=CODE")).await?;
    wait_for_shown(&browser, "coder").await?;
    browser.wait_for_text("3 agents, 0 running").await?;
    mark(&browser).await?;
    browser.fill("#q", "writ").await?;
    wait_for_shown(&browser, "writer").await?;
    browser.fill("#q", "nobody").await?;
    wait_for_shown(&browser, "").await?;
    browser.wait_for_text("No agent’s name contains this text.").await?;

    // A new agent counts at once, but is shown only if the search matches it.
    dash.sh("hermes profile create nobody-else").await?;
    wait_for_shown(&browser, "nobody-else").await?;
    let says = browser.execute("return document.getElementById('none').hidden").await?;
    ensure!(says == true, "it still says that there is none");
    browser.fill("#q", "").await?;
    wait_for_shown(&browser, "default coder nobody-else writer").await?;
    browser.wait_for_text("4 agents, 0 running").await?;
    row_says(&browser, "writer", "stopped").await?;

    // All of them start at once, and a box keeps its check while its row changes.
    browser.click("#all").await?;
    browser.click_text("Start selected").await?;
    browser.wait_for_text("4 agents were started.").await?;
    row_says(&browser, "writer", "running").await?;
    let checked =
        browser.execute("return document.querySelectorAll('tbody .pick input:checked').length").await?;
    ensure!(checked == 4, "{checked} boxes are checked");
    check_marked(&browser).await
}
