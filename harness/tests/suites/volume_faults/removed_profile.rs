//! The directory of a profile is removed by hand while its gateway runs.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::slot_down;
use hermes_harness::{Container, docker_test, secs};
use predicates::str::contains;

use crate::gateways::{PROFILES, create_and_start, gateway, gateways, hermes, no_process_of};

/// Nothing is left of a profile in the container.
async fn is_gone(container: &Container, profile: &str) -> Result<()> {
    no_process_of(container, profile).await?;
    for left in [format!("/run/service/gateway-{profile}"), format!("{PROFILES}/{profile}")] {
        ensure!(container.file(&left).await?.is_none(), "{left} is left");
    }
    Ok(())
}

#[docker_test]
async fn a_gateway_whose_profile_was_removed_is_not_started_again_and_a_delete_clears_its_slot() -> Result<()>
{
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    create_and_start(&container, &["killed", "deleted", "recreated", "restarted", "other"]).await?;
    let before = gateways(&container).await?;
    let pid = |profile: &str| {
        let gateway = before.iter().find(|gateway| gateway.profile == profile);
        gateway.and_then(|gateway| gateway.pid).with_context(|| format!("{profile} is up: {before:?}"))
    };
    container.exec_sh("rm -rf killed deleted recreated restarted").workdir(PROFILES).await?.success();
    let listed: Vec<_> = gateways(&container).await?.into_iter().map(|gateway| gateway.profile).collect();
    ensure!(listed == ["default", "other"], "{listed:?}");

    // It ends, and is not tried again and again.
    container.kill_process(pid("killed")?, "KILL").await?;
    let slot = container.wait_until("it is given up", slot_down("gateway-killed"), secs(10)).await?;
    ensure!((slot.wanted_up, slot.exit_code) == (false, Some(78)), "{slot}");
    let log = container.log().await?;
    ensure!(log.matches("the profile 'killed' is gone").count() == 1, "{log}");
    hermes(&container, "killed", &["gateway", "start"])
        .await?
        .code(1)
        .stderr_matches(contains("no such gateway 'killed'"));
    ensure!(container.file(&format!("{PROFILES}/killed")).await?.is_none(), "somebody made its directory");
    container.exec(["hermes", "profile", "delete", "killed", "--yes"]).await?.success();
    is_gone(&container, "killed").await?;

    // A delete ends one that has not noticed yet.
    ensure!(container.slot("gateway-deleted").await?.is_some_and(|slot| slot.up));
    container.exec(["hermes", "profile", "delete", "deleted", "--yes"]).await?.success();
    is_gone(&container, "deleted").await?;

    // A new profile of the same name begins with a gateway of its own.
    container.exec(["hermes", "profile", "create", "recreated"]).await?.success();
    hermes(&container, "recreated", &["gateway", "start"]).await?.success();
    let new = gateway(&container, "recreated").await?;
    ensure!(new.ready && new.pid != Some(pid("recreated")?), "the old one is in its place: {new:?}");
    let answer = container.http_get_inside(new.port.context("a port")?, "/health", &[]).await?;
    ensure!(answer.status == 200, "{answer:?}");

    // After a restart nobody remembers it.
    container.restart().await?;
    container.ready().await?;
    is_gone(&container, "restarted").await?;
    let listed: Vec<_> = gateways(&container).await?.into_iter().map(|gateway| gateway.profile).collect();
    ensure!(listed == ["default", "other", "recreated"], "{listed:?}");
    Ok(())
}
