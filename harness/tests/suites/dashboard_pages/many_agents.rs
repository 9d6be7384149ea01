//! A thousand agents on one page.

use std::time::Instant;

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test, secs};
use serde_json::json;

use super::{Dash, row_says, with_dashboard};
use crate::support::gateways::PlantedProfiles as _;

const SHOWN: &str =
    "[...document.querySelectorAll('#profiles tbody tr')].filter((row) => !row.hidden).length";

/// A script that returns the time to apply one letter, in milliseconds, including the new layout.
const FILTER: &str = "const field = document.getElementById('q'); const began = performance.now(); \
    field.value = 'agent-7'; field.dispatchEvent(new Event('input', { bubbles: true })); document.body.offsetHeight; \
    return performance.now() - began;";

// The test measures times, so no other test may use the processors.
#[docker_test]
#[serial(machine)]
async fn a_thousand_agents_are_shown_found_and_watched_within_seconds() -> Result<()> {
    let plant = "for n in $(seq -w 0 998); do mkdir -m 700 agent-$n && echo 'You are a test.' >agent-$n/SOUL.md; done\n\
                 chown -R hermes:hermes .";
    // A slot is a dozen files and FIFOs. In memory they are cheap.
    let dash = Dash::of(with_dashboard().tmpfs("/run", "exec,mode=755,size=512m").plant(plant)).await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    // The quickest of three counts, because other work on this machine disturbs.
    let mut opened = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        browser.goto(&dash.url("/")).await?;
        browser.wait_for_script("all are shown", &format!("return {SHOWN} === 1000 || {SHOWN}")).await?;
        opened.push(began.elapsed());
    }
    ensure!(opened.iter().min().is_some_and(|quickest| *quickest < secs(8)), "it took {opened:?} to open");

    browser.fill("#q", "agent-77").await?;
    browser.wait_for_script("ten are found", &format!("return {SHOWN} === 10 || {SHOWN}")).await?;
    let took = browser.execute(FILTER).await?;
    ensure!(took.as_f64().is_some_and(|took| took < 1000.0), "it took {took} ms to find");
    browser.fill("#q", "agent-7777").await?;
    browser.wait_for_script("none is found", &format!("return {SHOWN} === 0 || {SHOWN}")).await?;

    browser.fill("#q", "agent-500").await?;
    browser.click("button[value=\"start:agent-500\"]").await?;
    row_says(&browser, "agent-500", "running").await?;
    let shown = browser.execute(&format!("return {SHOWN}")).await?;
    ensure!(shown == json!(1), "{shown}: what changes is not shown in spite of the filter");
    Ok(())
}
