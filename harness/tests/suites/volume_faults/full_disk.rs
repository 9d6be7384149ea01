//! A disk without room: nothing is half written, and no gateway goes down for it.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Look, Volume, docker_test, secs};
use predicates::str::contains;

use crate::support::gateways::{
    create_and_start, directory, gateway, gateway_is, gateway_other_than, hermes, state_file,
};

/// A container with a small volume that outlives its restarts: it is kept by another one, since what lies on a tmpfs is
/// gone when nobody mounts it.
async fn with_little_room() -> Result<(Container, Container)> {
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
async fn with_no_room_an_order_is_refused_and_the_state_file_is_as_it_was() -> Result<()> {
    let (container, _keeper) = with_little_room().await?;
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
    // Nor can the wish that a gateway be down be written; it may be what fills the disk, and is stopped all the same.
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
async fn with_no_room_gateways_come_back_after_a_crash_and_after_a_restart() -> Result<()> {
    let (container, _keeper) = with_little_room().await?;
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
async fn with_no_room_the_keeper_of_the_lease_stays_and_tells_so_once() -> Result<()> {
    let (container, _keeper) = with_little_room().await?;
    container.fill("/opt/data").await?;
    container.restart().await?;
    container.ready().await?;
    // One that ended and began anew each second would be down, or young, at every look.
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
