//! The boots that the volume keeps: `logs/boots.json`, `hermes boot --history`, and the dashboard's answer.

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, Look, Volume, boot_of, docker_test, secs};
use serde_json::Value;

use super::{PORT, start_dashboard, token, wait_until_bound, with_dashboard};
use crate::support::driving::hermes;

const BOOTS: &str = "/opt/data/logs/boots.json";

/// Returns the start times of the boots in `logs/boots.json`, oldest first.
async fn kept_boots(container: &Container) -> Result<Vec<String>> {
    let bytes = container.read_file(BOOTS).await?;
    let boots: Value = serde_json::from_slice(&bytes)?;
    let boots = boots.as_array().context("a list")?;
    boots.iter().map(|boot| Ok(boot["started"].as_str().context("a time")?.to_owned())).collect()
}

/// Waits until the file holds these boots. The last one appears a moment after the boot is complete.
async fn wait_for_boots(container: &Container, starts: &[String]) -> Result<()> {
    let look = async |container: &Container| {
        let kept = kept_boots(container).await?;
        Ok(Look::holds(kept == starts, || format!("kept {kept:?}, there were {starts:?}")))
    };
    Ok(container.wait_until("the boots are kept", look, secs(10)).await?)
}

#[docker_test]
async fn each_restart_is_kept_and_shown_as_a_boot() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let mut starts = vec![boot_of(&container).await?.started];
    for _ in 0..2 {
        wait_for_boots(&container, &starts).await?;
        container.restart().await?;
        starts.push(boot_of(&container).await?.started);
    }
    wait_until_bound(&container).await?;
    wait_for_boots(&container, &starts).await?;
    let history = hermes(&container, "boot --history").await?.success().stdout();
    let told: Vec<_> = history.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    ensure!(told == starts, "{history}");
    let bearer = format!("Bearer {}", token(&container).await?);
    let answer = container.http_get(PORT, "/api/boots", &[("Authorization", &bearer)]).await?;
    let answer: Value = serde_json::from_slice(&answer.body)?;
    let boots = answer.as_array().or_else(|| answer["boots"].as_array()).context("a list")?;
    let mut shown: Vec<_> = boots.iter().filter_map(|boot| boot["started"].as_str()).collect();
    // The answer has the newest boot first.
    shown.reverse();
    ensure!(shown == starts, "{answer}");
    ensure!(boots[0]["is_this"] == true && boots[1]["is_this"] == false, "{answer}");
    Ok(())
}

#[docker_test]
async fn the_volume_keeps_the_last_twenty_boots() -> Result<()> {
    let volume = Volume::new().await?;
    let on = || Container::builder().volume(&volume, "/opt/data").cmd(["sleep", "infinity"]);
    let first = on().start_ready().await?;
    let started = boot_of(&first).await?.started;
    wait_for_boots(&first, std::slice::from_ref(&started)).await?;
    first.stop().await?;
    first.remove().await?;
    let container = on().start_ready().await?;
    let both = [started, boot_of(&container).await?.started];
    wait_for_boots(&container, &both).await?;
    // Eighteen invented boots fill the file. The next real one replaces the oldest.
    let mut boots: Vec<Value> = serde_json::from_slice(&container.read_file(BOOTS).await?)?;
    let earlier = (1..=18).map(|second| {
        let mut boot = boots[0].clone();
        boot["started"] = format!("2020-01-01T00:00:{second:02}.000000Z").into();
        boot
    });
    let earlier: Vec<_> = earlier.collect();
    boots.splice(0..0, earlier);
    container.exec_sh(&format!("cat >{BOOTS}")).stdin(serde_json::to_vec(&boots)?).await?.success();
    let full = kept_boots(&container).await?;
    ensure!(full.len() == 20, "{full:?}");
    container.restart().await?;
    let last = boot_of(&container).await?.started;
    wait_for_boots(&container, &[&full[1..], &[last]].concat()).await
}
