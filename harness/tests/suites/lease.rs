//! Two containers on one volume. The first holds the lease. The second starts no gateway, names the holder, and takes
//! over after the end of the first.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{slot_down, slot_ready};
use hermes_harness::{Container, ContainerBuilder, Look, Volume, docker_test, secs};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::support::driving::look;

const GATEWAY: &str = "gateway-default";

fn container_on(volume: &Volume, name: &str) -> ContainerBuilder {
    Container::builder().volume(volume, "/opt/data").hostname(name).cmd(["sleep", "infinity"])
}

async fn lease(container: &Container) -> Result<Value> {
    Ok(serde_json::from_slice(&container.read_file("/opt/data/lease.json").await?)?)
}

async fn wait_for_owner(container: &Container, owner: &str) -> Result<()> {
    let is = async |container: &Container| {
        let lease = container.exec_sh("cat /opt/data/lease.json || true").await?.success().stdout();
        let held = lease.contains(&format!("\"owner\":\"{owner}\""));
        Ok(Look::holds(held, || lease))
    };
    Ok(container.wait_until(format!("{owner} has the volume"), is, secs(20)).await?)
}

/// Starts a container with a running gateway, and a second container on the same volume.
async fn start_two(volume: &Volume) -> Result<(Container, Container)> {
    let first = container_on(volume, "first").start_ready().await?;
    first.exec(["hermes", "gateway", "start"]).await?.success();
    let second = container_on(volume, "second").start_ready().await?;
    Ok((first, second))
}

#[docker_test]
async fn the_second_container_waits_and_takes_over() -> Result<()> {
    let volume = Volume::new().await?;
    let (first, second) = start_two(&volume).await?;
    second.wait_until("its slot is down", slot_down(GATEWAY), secs(10)).await?;
    for order in ["start", "restart", "stop"] {
        let refused = second.exec(["hermes", "gateway", order]).await?.code(75);
        refused
            .stdout_is("")
            .stderr_matches(contains("belongs to the container 'first'").and(contains("hint: ")));
    }
    let (_, stderr) = second.logs().await?;
    ensure!(stderr.contains("belongs to the container 'first'"), "its log:\n{stderr}");
    second.exec(["hermes", "status"]).await?.success().stdout_matches(contains("the container 'first'"));
    second.exec(["hermes", "doctor"]).await?.code(1).stdout_matches(contains("the container 'first'"));
    second.exec(["hermes", "health"]).await?.success();
    first.wait_until("the first still serves", slot_ready(GATEWAY), secs(10)).await?;
    let lease = lease(&first).await?;
    for field in ["owner", "host", "heartbeat"] {
        ensure!(lease[field].is_string(), "no {field} in {lease}");
    }

    // An orderly end frees the volume at once, and the second container starts the same gateway.
    first.stop().await?;
    second.wait_until("the second serves", slot_ready(GATEWAY), secs(15)).await?;
    wait_for_owner(&second, "second").await?;
    first.start().await?;
    first.ready().await?;
    first.wait_until("the first is the second now", slot_down(GATEWAY), secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn gateway_run_waits_for_the_volume_of_another_container() -> Result<()> {
    let volume = Volume::new().await?;
    let first = container_on(&volume, "first").start_ready().await?;
    let second = Container::builder().volume(&volume, "/opt/data").hostname("second").cmd(["gateway", "run"]);
    let second = second.start_ready().await?;
    let says = async |container: &Container| {
        let (_, stderr) = container.logs().await?;
        let line = "belongs to the container 'first'";
        Ok(Look::holds(stderr.contains(line) && stderr.contains("this container waits"), || stderr))
    };
    second.wait_until("it says for whom it waits", says, secs(10)).await?;
    let state = second.state().await?;
    ensure!(state.running, "it ended: {state:?}");
    first.stop().await?;
    second.wait_until("its gateway serves", slot_ready(GATEWAY), secs(20)).await?;
    Ok(())
}

#[docker_test]
async fn a_killed_holder_does_not_block_the_volume() -> Result<()> {
    let volume = Volume::new().await?;
    let (first, second) = start_two(&volume).await?;
    first.kill("KILL").await?;
    first.wait_exit(secs(10)).await?;
    // On one machine the kernel frees the lock, so that the second container need not wait for the heartbeat.
    second.wait_until("the second serves", slot_ready(GATEWAY), secs(15)).await?;
    second.kill("KILL").await?;
    second.wait_exit(secs(10)).await?;
    second.start().await?;
    second.ready().await?;
    second.wait_until("it serves again", slot_ready(GATEWAY), secs(10)).await?;
    wait_for_owner(&second, "second").await
}

#[docker_test]
async fn a_paused_holder_keeps_the_volume() -> Result<()> {
    let volume = Volume::new().await?;
    let (first, second) = start_two(&volume).await?;
    first.pause().await?;
    // The lease of 30 seconds is shortened, so that only the lock shows that the holder lives.
    let shorten = r#"sed 's/"ttl_seconds":30/"ttl_seconds":1/' /opt/data/lease.json >/opt/data/l && mv /opt/data/l /opt/data/lease.json"#;
    second.exec_sh(shorten).await?.success();
    let began = Instant::now();
    let waited = async |_: &Container| {
        Ok(Look::holds(began.elapsed() > Duration::from_secs(5), || "five seconds are not over".into()))
    };
    second.wait_until("its lease would have run out", waited, secs(10)).await?;
    second.wait_until("the second starts nothing", slot_down(GATEWAY), secs(10)).await?;
    first.unpause().await?;
    first.wait_until("the first serves", slot_ready(GATEWAY), secs(10)).await?;
    Ok(())
}

/// Returns a lease of a container on another machine, whose clock is centuries ahead.
fn foreign_lease(beat: u32, ttl: u32) -> String {
    format!(
        r#"{{"owner":"elsewhere","host":"00000000-1111-2222-3333-444444444444","instance":"x","beat":{beat},"heartbeat":"2999-01-01T00:00:00Z","ttl_seconds":{ttl}}}"#
    )
}

#[docker_test]
async fn a_remote_holder_without_heartbeats_loses_the_volume() -> Result<()> {
    const TTL: u32 = 6;
    let volume = Volume::new().await?;
    let made = container_on(&volume, "here").start_ready().await?;
    made.exec(["hermes", "gateway", "start"]).await?.success();
    made.remove().await?;
    let plant = format!("printf '%s' '{}' >/opt/data/lease.json", foreign_lease(1, TTL));
    let here = container_on(&volume, "here")
        .file(
            "/etc/cont-init.d/01-plant",
            0o755,
            format!("#!/bin/sh\n{plant}\nchown hermes: /opt/data/lease.json\n"),
        )
        .start_ready()
        .await?;
    here.wait_until("it starts nothing", slot_down(GATEWAY), secs(10)).await?;
    // The other holder sends heartbeats for longer than its lease lasts. The loop runs in the container, since an exec
    // may take longer than the time between two heartbeats.
    let beats = format!(
        r#"for beat in $(seq 2 20); do
            printf '%s' '{}' | sed "s/\"beat\":1,/\"beat\":$beat,/" >/opt/data/beat && mv /opt/data/beat /opt/data/lease.json
            date -u '+%F %T.%N'
            up=$(/command/s6-svstat -o up /run/service/{GATEWAY}); [ "$up" = false ] || exit
            [ "$beat" = 20 ] || sleep 0.5
        done"#,
        foreign_lease(1, TTL)
    );
    let beaten = here.exec_sh(&beats).deadline(secs(60)).await?.success();
    let beats: Vec<SystemTime> =
        beaten.stdout().lines().map(humantime::parse_rfc3339_weak).collect::<Result<_, _>>()?;
    ensure!(beats.len() == 19, "{}", beaten.report("19 beats, and a slot that stays down"));
    let lived = beats[18].duration_since(beats[0])?;
    ensure!(lived > Duration::from_secs(u64::from(TTL)), "beaten for {lived:?} alone");
    here.wait_until("it takes over", slot_ready(GATEWAY), secs(30)).await?;
    let ready = ready_after(&here, beats[0]).await?;
    let waited = ready.duration_since(beats[18]).context("it took over while the other lived")?;
    ensure!(
        waited >= Duration::from_secs(u64::from(TTL) - 1),
        "taken over after {waited:?}, within its lease"
    );
    wait_for_owner(&here, "here").await
}

/// Returns the time in the gateway's log at which it was ready after this moment. The delay of the test does not count.
async fn ready_after(container: &Container, moment: SystemTime) -> Result<SystemTime> {
    let ready = async |container: &Container| {
        let log = look(container, "cat /opt/data/logs/gateways/default/current").await?;
        let lines = log.lines().filter(|line| line.contains("is ready"));
        let mut times = lines.filter_map(|line| humantime::parse_rfc3339_weak(line.split_once("  ")?.0).ok());
        // The log may have lines of an earlier container.
        let time = times.rfind(|time| *time > moment);
        Ok(Look::from_option(time, || log))
    };
    Ok(container.wait_until("the gateway is ready in its log", ready, secs(10)).await?)
}

#[docker_test]
async fn a_damaged_lease_blocks_and_a_damaged_lock_does_not() -> Result<()> {
    let volume = Volume::new().await?;
    let made = container_on(&volume, "here").start_ready().await?;
    made.exec(["hermes", "gateway", "start"]).await?.success();
    made.remove().await?;
    let boot = async |plant: &str| {
        let script = format!("#!/bin/sh\ncd /opt/data; rm -rf lease.*; {plant}\n");
        container_on(&volume, "here").file("/etc/cont-init.d/01-plant", 0o755, script).start_ready().await
    };
    let container = boot("echo '{' >lease.json").await?;
    container.wait_until("it waits", slot_down(GATEWAY), secs(10)).await?;
    container
        .exec(["hermes", "gateway", "start"])
        .await?
        .code(75)
        .stderr_matches(contains("lease.json is unreadable"));
    container.remove().await?;
    let container = boot("mkdir lease.lock").await?;
    container.wait_until("it serves", slot_ready(GATEWAY), secs(10)).await?;
    container.exec(["hermes", "doctor"]).await?.either_way().stdout_matches(contains("lease"));
    Ok(())
}
