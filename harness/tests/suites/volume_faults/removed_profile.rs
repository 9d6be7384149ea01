//! A user removes the directory of a profile while its gateway runs.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::log_says;
use hermes_harness::{Container, Look, docker_test, secs};
use predicates::str::contains;

use crate::support::gateways::{
    PROFILES, create_and_start, gateway, gateways, hermes, no_process_of, state_file,
};

/// Checks that the container has no process, no slot and no directory of a profile.
async fn assert_removed(container: &Container, profile: &str) -> Result<()> {
    no_process_of(container, profile).await?;
    for left in [format!("/run/service/gateway-{profile}"), format!("{PROFILES}/{profile}")] {
        ensure!(container.file(&left).await?.is_none(), "{left} is left");
    }
    Ok(())
}

#[docker_test]
async fn a_gateway_of_a_removed_profile_is_given_up() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    create_and_start(&container, &["removed"]).await?;
    let pid = gateway(&container, "removed").await?.pid.context("it is up")?;
    container.exec(["rm", "-rf", "removed"]).workdir(PROFILES).await?.success();
    container.kill_process(pid, "KILL").await?;
    let given_up = async |container: &Container| {
        let slot = container.slot("gateway-removed").await?;
        let given_up = slot.as_ref().is_some_and(|slot| !slot.up && !slot.wanted_up);
        Ok(Look::holds(given_up, || format!("{slot:?}")))
    };
    container.wait_until("it is given up", given_up, secs(10)).await?;
    let told = "the gateway does not run";
    container.wait_until("it is told", log_says(told), secs(10)).await?;
    let log = container.log().await?;
    ensure!(log.matches(told).count() == 1, "{log}");
    ensure!(container.file(&format!("{PROFILES}/removed")).await?.is_none(), "somebody made its directory");
    Ok(())
}

#[docker_test]
async fn delete_and_restart_clear_the_remains_of_a_removed_profile() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    create_and_start(&container, &["killed", "deleted", "restarted", "other"]).await?;
    let before = gateways(&container).await?;
    let pid = |profile: &str| {
        let gateway = before.iter().find(|gateway| gateway.profile == profile);
        gateway.and_then(|gateway| gateway.pid).with_context(|| format!("{profile} is up: {before:?}"))
    };
    container.exec_sh("rm -rf killed deleted restarted").workdir(PROFILES).await?.success();
    let listed: Vec<_> = gateways(&container).await?.into_iter().map(|gateway| gateway.profile).collect();
    ensure!(listed == ["default", "other"], "{listed:?}");
    let start = hermes(&container, "killed", &["gateway", "start"]).await?.code(1);
    start.stderr_matches(contains("no such gateway 'killed'"));
    ensure!(container.file(&format!("{PROFILES}/killed")).await?.is_none(), "somebody made its directory");

    // A delete clears the remains of a dead gateway, and of one that still runs.
    container.kill_process(pid("killed")?, "KILL").await?;
    ensure!(container.slot("gateway-deleted").await?.is_some_and(|slot| slot.up));
    for profile in ["killed", "deleted"] {
        container.exec(["hermes", "profile", "delete", profile, "--yes"]).await?.success();
        assert_removed(&container, profile).await?;
    }

    // After a restart no trace of the profile is left.
    container.restart().await?;
    container.ready().await?;
    assert_removed(&container, "restarted").await?;
    let listed: Vec<_> = gateways(&container).await?.into_iter().map(|gateway| gateway.profile).collect();
    ensure!(listed == ["default", "other"], "{listed:?}");
    Ok(())
}

#[docker_test]
async fn a_recreated_profile_gets_a_new_gateway() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    create_and_start(&container, &["again"]).await?;
    let old = gateway(&container, "again").await?;
    container.exec(["rm", "-rf", "again"]).workdir(PROFILES).await?.success();
    create_and_start(&container, &["again"]).await?;
    let new = gateway(&container, "again").await?;
    ensure!(new.ready && new.pid != old.pid, "the old one is in its place: {new:?}");
    let answer = container.http_get_inside(new.port.context("a port")?, "/health", &[]).await?;
    ensure!(answer.status == 200, "{answer:?}");
    let state = state_file(&container, "again").await?;
    ensure!(state["pid"] == new.pid.unwrap_or_default(), "{state}");
    Ok(())
}
