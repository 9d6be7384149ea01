//! A dashboard that does not answer: the page reports it, and marks its content as old.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test, secs};

use super::{Dash, row_says};

const LOST: &str = "const told = document.getElementById('connection'); \
    return !told.hidden && told.checkVisibility() && told.textContent.includes('lost') && document.body.classList.contains('old');";
const FOUND: &str =
    "return document.getElementById('connection').hidden && !document.body.classList.contains('old');";

/// Checks that the page shows later changes without a reload.
async fn is_live_again(dash: &Dash, browser: &Browser) -> Result<()> {
    browser.within(secs(40)).wait_for_script("the connection is back", FOUND).await?;
    dash.sh("hermes profile create later").await?;
    row_says(browser, "later", "stopped").await
}

#[docker_test]
async fn a_page_says_within_seconds_that_its_dashboard_ended_and_goes_on_when_it_is_back() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    ensure!(browser.execute(FOUND).await? == true, "it is not there before");
    dash.sh("/command/s6-svc -wD -d /run/service/dashboard").await?;
    browser.within(secs(10)).wait_for_script("the page says that the connection is lost", LOST).await?;
    // A request during the outage fails with a message.
    browser.fill("#new-name", "unheard").await?;
    browser.click_text("Create").await?;
    browser.wait_for_text("The dashboard does not answer").await?;
    dash.sh("/command/s6-svc -u /run/service/dashboard").await?;
    dash.answers().await?;
    is_live_again(&dash, &browser).await
}

#[docker_test]
async fn a_page_says_that_a_silent_dashboard_is_lost_and_goes_on_when_it_speaks_again() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    // No connection breaks: the kernel still accepts the requests.
    dash.container.pause().await?;
    browser.within(secs(40)).wait_for_script("the page says that the connection is lost", LOST).await?;
    dash.container.unpause().await?;
    is_live_again(&dash, &browser).await
}
