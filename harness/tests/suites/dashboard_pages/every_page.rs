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
    collect_findings(&browser, &dash, &["/nowhere", "/profiles/nobody"], &mut found).await?;
    ensure!(found.is_empty(), "{found:#?}");
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
