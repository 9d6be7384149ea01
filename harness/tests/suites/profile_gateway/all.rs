//! `--all`: one command for every gateway.

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, docker_test, secs};
use predicates::str::contains;
use serde_json::Value;

use crate::support::driving::{
    gateway_processes, hermes, must_be_down_for_good, ready_pid, state, up_with, wanted_and_said,
};

/// The order of the output: first the default profile, then by name.
const ALL: [&str; 4] = ["default", "alpha", "beta", "gamma"];

async fn pids(container: &Container) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for profile in ALL {
        pids.push(ready_pid(container, profile).await?);
    }
    Ok(pids)
}

/// Checks the output of `words`, as a table and with `--json`: one line and one entry for each profile, in this order.
async fn assert_lists_all(container: &Container, words: &str, state: &str) -> Result<()> {
    let table = hermes(container, words).await?.success();
    let shown: Vec<_> = table
        .stdout()
        .lines()
        .skip(1)
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    ensure!(shown == ALL, "{}", table.report("all profiles, the default one first"));
    let json = hermes(container, &format!("{words} --json")).await?.success();
    let entries: Vec<Value> = serde_json::from_str(&json.stdout()).with_context(|| json.report("JSON"))?;
    for (entry, profile) in entries.iter().zip(ALL) {
        ensure!(entry["profile"] == profile && entry["state"] == state, "{}", json.report(state));
        ensure!(entry["port"].is_u64() && entry["restarts"] == 0, "{entry}");
        ensure!(entry["uptime_seconds"].is_u64() == (state == "running"), "{entry}");
    }
    ensure!(entries.len() == ALL.len());
    Ok(())
}

#[docker_test]
async fn one_order_starts_lists_restarts_and_stops_all_gateways() -> Result<()> {
    let container = up_with(&ALL[1..]).await?;
    let started = hermes(&container, "gateway start --all").await?.success();
    ensure!(started.took() < secs(10), "{:?}", started.took());
    let before = pids(&container).await?;
    for profile in ALL {
        started.stdout_matches(contains(format!("gateway '{profile}' is running")));
        ensure!(wanted_and_said(&container, profile).await? == ("running".into(), "running".into()));
    }
    assert_lists_all(&container, "gateway status --all", "running").await?;
    assert_lists_all(&container, "gateway list", "running").await?;

    hermes(&container, "gateway restart --all").await?.success();
    let after = pids(&container).await?;
    ensure!(after.iter().all(|pid| !before.contains(pid)), "{before:?}, then {after:?}");
    ensure!(gateway_processes(&container).await?.len() == ALL.len());

    hermes(&container, "gateway stop --all").await?.success();
    for profile in ALL {
        must_be_down_for_good(&container, profile).await?;
        ensure!(wanted_and_said(&container, profile).await? == ("stopped".into(), "stopped".into()));
    }
    ensure!(gateway_processes(&container).await?.is_empty());
    assert_lists_all(&container, "gateway status --all", "stopped").await?;
    Ok(())
}

#[docker_test]
async fn a_gateway_that_cannot_start_does_not_stop_the_others() -> Result<()> {
    let container = up_with(&["broken", "coder"]).await?;
    container.exec_sh("echo 'gateway: [' >/opt/data/profiles/broken/config.yaml").await?.success();
    let failed = hermes(&container, "gateway start --all").await?.code(1);
    failed
        .stdout_matches(contains("gateway 'default' is running"))
        .stdout_matches(contains("gateway 'coder' is running"))
        .stderr_matches(contains("the gateway 'broken' does not come up"))
        .stderr_matches(contains("1 of 3 gateways failed"));
    ensure!(failed.took() < secs(10), "{:?}", failed.took());
    ready_pid(&container, "default").await?;
    ready_pid(&container, "coder").await?;
    ensure!(state(&container, "broken").await?["desired_state"] == "running", "the intent is lost");
    Ok(())
}

#[docker_test]
async fn a_profile_and_all_exclude_each_other() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    for words in
        ["gateway start --all -p coder", "-p coder gateway start --all", "-p coder gateway status --all"]
    {
        let both = hermes(&container, words).await?.code(2);
        both.stdout_is("").stderr_matches(contains("cannot be used with"));
    }
    ensure!(gateway_processes(&container).await?.is_empty(), "something was started");
    Ok(())
}
