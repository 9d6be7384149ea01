//! A full disk: no file is half written, and no gateway stops.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Look, Volume, docker_test, secs};
use predicates::str::contains;

use crate::support::gateways::{
    create_and_start, directory, gateway, gateway_is, gateway_other_than, hermes, state_file,
};

/// Starts a container with a small volume that outlives its restarts. The second container keeps the volume mounted,
/// since an unmounted tmpfs loses its files.
async fn small_container() -> Result<(Container, Container)> {
    let volume = Volume::small(1 << 20).await?;
    let keeper = Container::builder().volume(&volume, "/kept").entrypoint(["sleep", "infinity"]).user("root");
    let keeper = keeper.start().await?;
    keeper.exec(["chown", "10000:10000", "/kept"]).as_root().await?.success();
    let container =
        Container::builder().volume(&volume, "/opt/data").cmd(["sleep", "infinity"]).start_ready().await?;
    Ok((container, keeper))
}

const ROOM: &str = "/opt/data/.filled-by-the-harness";

#[docker_test]
async fn a_full_disk_fails_orders_and_keeps_state_files() -> Result<()> {
    let (container, _keeper) = small_container().await?;
    create_and_start(&container, &["coder", "runs"]).await?;
    hermes(&container, "coder", &["gateway", "stop"]).await?.success();
    let look = "sha256sum gateway_state.json; ls -A";
    let in_coder = || container.exec_sh(look).workdir(directory("coder"));
    let before = in_coder().await?.success().stdout();
    let whole = state_file(&container, "runs").await?;
    container.fill("/opt/data").await?;

    let refused = hermes(&container, "coder", &["gateway", "start"]).await?.code(73);
    refused.stderr_matches(contains("gateway_state.json"));
    refused.stderr_matches(contains("caused by: "));
    refused.stderr_matches(contains("hint: look whether the volume has room"));
    in_coder().await?.success().stdout_is(before.trim_end());
    let down = gateway(&container, "coder").await?;
    ensure!((down.state.as_str(), down.desired_state.as_deref()) == ("stopped", Some("stopped")), "{down:?}");
    // The stop cannot record its desired state. It stops the gateway all the same, since the gateway may be filling
    // the disk.
    hermes(&container, "runs", &["gateway", "stop"])
        .await?
        .code(73)
        .stderr_matches(contains("gateway_state.json"));
    ensure!(gateway(&container, "runs").await?.state == "stopped");
    ensure!(state_file(&container, "runs").await? == whole);
    container.exec(["hermes", "profile", "create", "more"]).await?.code(73);
    ensure!(container.file(&directory("more")).await?.is_none(), "it is half made");
    ensure!(container.slot("gateway-more").await?.is_none(), "it has a slot");

    container.exec(["rm", ROOM]).as_root().await?.success();
    hermes(&container, "coder", &["gateway", "start"]).await?.success();
    container.exec(["hermes", "profile", "create", "more"]).await?.success();
    Ok(())
}

#[docker_test]
async fn gateways_restart_on_a_full_disk() -> Result<()> {
    let (container, _keeper) = small_container().await?;
    create_and_start(&container, &["coder", "idle"]).await?;
    hermes(&container, "idle", &["gateway", "stop"]).await?.success();
    container.fill("/opt/data").await?;
    let pid = gateway(&container, "coder").await?.pid.unwrap_or_default();
    container.kill_process(pid, "KILL").await?;
    container.wait_until("it is back", gateway_other_than("coder", pid), secs(10)).await?;
    let whole = state_file(&container, "coder").await?;
    ensure!(whole["desired_state"] == "running" && whole["pid"] == pid, "not the one from before: {whole}");

    container.restart().await?;
    container.ready().await?;
    container.wait_until("coder is up", gateway_is("coder", "running"), secs(10)).await?;
    container.wait_until("idle is down", gateway_is("idle", "stopped"), secs(10)).await?;
    ensure!(state_file(&container, "idle").await?["desired_state"] == "stopped");
    let whole = state_file(&container, "coder").await?;
    ensure!(whole["desired_state"] == "running", "{whole}");
    Ok(())
}

#[docker_test]
async fn the_lease_keeper_survives_a_full_disk() -> Result<()> {
    let (container, _keeper) = small_container().await?;
    container.fill("/opt/data").await?;
    container.restart().await?;
    container.ready().await?;
    // A keeper that restarts each second would be down or young at every check.
    let stays = async |container: &Container| {
        let slot = container.slot("volume-lease").await?;
        let stays = slot.as_ref().is_some_and(|slot| slot.up && slot.seconds >= 3);
        Ok(Look::holds(stays, || format!("{slot:?}")))
    };
    container.wait_until("the keeper stays", stays, secs(8)).await?;
    let log = container.log().await?;
    ensure!(log.matches("failed to keep the lease").count() <= 1, "{log}");
    Ok(())
}
