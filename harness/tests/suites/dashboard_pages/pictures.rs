//! The pictures of the README, made by each run. `HERMES_PICTURES=DIR` sets their directory.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use hermes_harness::{Browser, StandIn, docker_test, secs};
use serde_json::json;

use super::{Dash, row_says, with_dashboard};
use crate::support::gateways::{PlantedProfiles as _, gateway_is};

/// The largest size of a picture in bytes: a picture of the README has to load quickly.
const LARGEST: usize = 192 * 1024;

fn folder() -> PathBuf {
    std::env::var_os("HERMES_PICTURES")
        .map_or_else(|| hermes_harness::PRODUCT.test_directory().join("pictures"), PathBuf::from)
}

#[docker_test]
async fn the_pictures_of_the_readme_can_be_made() -> Result<()> {
    let soul = "You write Rust, and you read what you wrote before you show it.\n";
    let config = "gateway:\n  port: 8701\n  restart:\n    max_crashes: 5\nmodel:\n  name: small\n  api_key: not-for-anybody\n";
    let call = json!([{"id": "c1", "name": "terminal", "arguments": {"command": "ls"}}]);
    let answer = "Two files, and the first is **done**:\n\n| file | lines |\n| --- | ---: |\n| `notes.md` | 12 |\n| `todo.md` | 3 |\n";
    let model = StandIn::start().await?;
    model.script(&json!([{"tool_calls": call}, {"text": answer}]))?;
    let dash = Dash::of(
        model
            .model_of(with_dashboard())
            .hostname("agents")
            .profile("coder")
            .profile_file("coder", "SOUL.md", soul)
            .profile_file("coder", "config.yaml", config)
            .profile("scout")
            .profile_file("scout", "config.yaml", "gateway:\n  port: 70000\n")
            .profile("writer"),
    )
    .await?;
    dash.sh("hermes -p coder gateway start; hermes -p scout gateway start || :; hermes -p writer gateway start && hermes -p writer gateway stop").await?;
    dash.container.restart().await?;
    dash.container.ready().await?;
    // The engine assigns another port after a restart.
    let address = format!("http://127.0.0.1:{}", dash.container.published_port(9119).await?);
    let dash = Dash { address, ..dash };
    dash.wait_until_answering().await?;
    for (agent, state) in [("coder", "running"), ("scout", "given-up"), ("writer", "stopped")] {
        dash.container.wait_until(format!("{agent} is {state}"), gateway_is(agent, state), secs(20)).await?;
    }

    dash.sh("hermes -p coder chat -q 'What is in the workspace?'; s=$(hermes -p coder sessions list --json | grep -o '[0-9]*_[0-9]*_[0-9a-f]*' | head -1); hermes -p coder sessions rename $s 'Files of the workspace'").await?;
    let folder = folder();
    let browser = Browser::builder().viewport(1280, 600).start().await?;
    let shot = async |name: &str, page: &str| -> Result<()> {
        browser.goto(&dash.url(page)).await?;
        browser.wait_for("main h1").await?;
        if page == "/" {
            row_says(&browser, "coder", "running").await?;
            let measured = "return document.querySelector('tr[data-profile=coder] [data-label=CPU]').textContent.includes('%')";
            browser.wait_for_script("there is a figure of each kind", measured).await?;
        }
        // No animation runs: a repeated picture is identical.
        browser
            .execute(
                "document.getAnimations().forEach((one) => one.finish()); document.activeElement.blur();",
            )
            .await?;
        let path = folder.join(name);
        let png = browser.screenshot(name.trim_end_matches(".png")).await?;
        std::fs::create_dir_all(&folder)?;
        std::fs::write(&path, &png)?;
        let size = png.len();
        ensure!((2_000..LARGEST).contains(&size), "{name} has {size} bytes");
        Ok(())
    };
    shot("login.png", "/login").await?;
    dash.enter(&browser).await?;
    shot("overview.png", "/").await?;
    shot("profile.png", "/profiles/coder").await?;
    shot("boots.png", "/boots").await?;
    shot("doctor.png", "/doctor").await?;
    browser.prefer_dark(true).await?;
    shot("overview-dark.png", "/").await?;
    browser.prefer_dark(false).await?;
    browser.resize(360, 740).await?;
    shot("overview-narrow.png", "/").await?;
    Ok(())
}
