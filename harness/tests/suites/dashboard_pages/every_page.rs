//! Every page, for people with poor eyesight or a small screen.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test};

use super::{Dash, check_no_complaints, with_dashboard};
use crate::support::gateways::{PlantedProfiles as _, gateway_is};

/// The pages behind the login.
pub(super) const PAGES: &[&str] = &[
    "/",
    "/?q=nobody",
    "/?show=trouble&sort=-memory",
    "/?done=create&profile=coder",
    "/profiles/coder",
    "/profiles/coder?search=ready",
    "/profiles/coder?done=soul&profile=coder",
    "/profiles/coder/configuration",
    "/profiles/scout",
    "/profiles/scout/configuration",
    "/profiles/with-the-longest-name-that-anybody-would-give-to-an-agent-of-theirs",
    "/boots",
    "/doctor",
    "/profiles/coder/delete",
];

/// Starts a dashboard with an agent that runs, one that is given up, and one with a long name.
pub(super) async fn with_agents() -> Result<Dash> {
    let dash = Dash::of(
        with_dashboard()
            .profile("coder")
            .profile("scout")
            .profile_file("scout", "config.yaml", "gateway:\n  port: 70000\n")
            .profile("with-the-longest-name-that-anybody-would-give-to-an-agent-of-theirs"),
    )
    .await?;
    dash.sh("hermes -p coder gateway start; hermes -p scout gateway start || :").await?;
    dash.container
        .wait_until("it is given up", gateway_is("scout", "given-up"), hermes_harness::secs(20))
        .await?;
    Ok(dash)
}

#[docker_test]
async fn every_page_is_accessible_in_each_size_and_colour() -> Result<()> {
    let dash = with_agents().await?;
    let browser = Browser::builder().start().await?;
    let mut found = Vec::new();
    collect_findings(&browser, &dash, &["/login", "/login?token=0000"], &mut found).await?;
    browser.new_console().await?;
    dash.enter(&browser).await?;
    collect_findings(&browser, &dash, PAGES, &mut found).await?;
    check_no_complaints(&browser, "on all pages").await?;
    check_order(&browser, &dash).await?;
    check_phone(&browser, &dash).await?;
    collect_findings(&browser, &dash, &["/nowhere", "/profiles/nobody"], &mut found).await?;
    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}

/// Checks that the script orders the rows as the server does.
async fn check_order(browser: &Browser, dash: &Dash) -> Result<()> {
    const SAME: &str = "const table = document.getElementById('profiles'); const rows = [...table.tBodies[0].rows]; \
        return hermesOrder([...rows], table.dataset.sort).every((row, place) => row === rows[place]);";
    for sort in ["", "name", "-name", "state", "-state", "for", "-port", "restarts", "memory", "-cpu"] {
        browser.goto(&dash.url(&format!("/?sort={sort}"))).await?;
        browser.wait_for("#profiles").await?;
        ensure!(browser.execute(SAME).await? == true, "the script has another order for {sort:?}");
    }
    Ok(())
}

/// Checks that a phone has a compact row for each agent, and a readable time line of a boot.
async fn check_phone(browser: &Browser, dash: &Dash) -> Result<()> {
    browser.resize(390, 800).await?;
    browser.goto(&dash.url("/")).await?;
    browser.wait_for("#profiles").await?;
    let heights = "return Math.max(...[...document.querySelectorAll('#profiles tbody tr')].map((row) => row.offsetHeight))";
    let height = browser.execute(heights).await?;
    ensure!(height.as_f64().is_some_and(|height| height < 110.0), "a row is {height} pixels high");
    browser.goto(&dash.url("/boots")).await?;
    browser.wait_for("svg.line text").await?;
    let size = "const text = document.querySelector('svg.line text'); \
        return parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;";
    let size = browser.execute(size).await?;
    ensure!(
        size.as_f64().is_some_and(|size| size >= 11.0),
        "the text of the time line is {size} pixels high"
    );
    Ok(())
}

/// Opens pages in each size and each colour scheme, and adds the findings to `found`.
async fn collect_findings(
    browser: &Browser,
    dash: &Dash,
    pages: &[&str],
    found: &mut Vec<String>,
) -> Result<()> {
    for page in pages {
        browser.goto(&dash.url(page)).await?;
        browser.wait_for("main h1").await?;
        for (width, dark) in [(1280, false), (1280, true), (360, false), (360, true)] {
            browser.resize(width, 800).await?;
            browser.prefer_dark(dark).await?;
            let colours = if dark { "dark" } else { "light" };
            let told = |one| format!("{page} ({width} px, {colours}): {one:?}");
            found.extend(browser.findings().await?.into_iter().map(told));
        }
    }
    Ok(())
}
