//! A dashboard that does not answer: the page reports it, and marks its content as old.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test, secs};

use super::{Dash, row_says};

const LOST: &str = "const told = document.getElementById('connection'); \
    return !told.hidden && told.checkVisibility() && told.textContent.includes('lost') && document.body.classList.contains('old');";
const FOUND: &str =
    "return document.getElementById('connection').hidden && !document.body.classList.contains('old');";

/// The start of the dashboard that the page shows.
const STARTED_VALUE: &str = "Number([...document.querySelectorAll('#container time')].at(-1).dataset.since)";
const STARTED: &str = "return Number([...document.querySelectorAll('#container time')].at(-1).dataset.since)";

/// Checks that the page shows later changes without a reload.
async fn check_updates(dash: &Dash, browser: &Browser) -> Result<()> {
    browser.within(secs(40)).wait_for_script("the connection is back", FOUND).await?;
    dash.sh("hermes profile create later").await?;
    row_says(browser, "later", "stopped").await
}

#[docker_test]
async fn a_page_reports_a_stopped_dashboard_and_recovers() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    ensure!(browser.execute(FOUND).await? == true, "it is not there before");
    let started = browser.execute(STARTED).await?;
    dash.sh("/command/s6-svc -wD -d /run/service/dashboard").await?;
    browser.within(secs(10)).wait_for_script("the page says that the connection is lost", LOST).await?;
    // A request during the outage fails with a message.
    browser.fill("#new-name", "unheard").await?;
    browser.click_text("Create").await?;
    browser.wait_for_text("The dashboard does not answer").await?;
    dash.sh("/command/s6-svc -u /run/service/dashboard").await?;
    dash.wait_until_answering().await?;
    check_updates(&dash, &browser).await?;
    let newer = format!("return ({STARTED_VALUE}) !== {started}");
    browser.wait_for_script("the page shows the new start of the dashboard", &newer).await?;
    Ok(())
}

#[docker_test]
async fn a_page_reports_a_silent_dashboard_and_recovers() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    // No connection breaks: the kernel still accepts the requests.
    dash.container.pause().await?;
    browser.within(secs(40)).wait_for_script("the page says that the connection is lost", LOST).await?;
    dash.container.unpause().await?;
    check_updates(&dash, &browser).await
}
