//! The desired state outlives the container. One table decides for every other content of a state file.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, Look, docker_test, secs};
use serde_json::{Value, json};

use super::WAYS;
use crate::support::gateways::{
    Gateway, PlantedProfiles, gateway_is, gateways, hermes, last_boot, state_file,
};

/// The running gateways of the first test.
const RUNNING: [&str; 5] = ["default", "four", "one", "three", "two"];

/// The limit from the order to stop the container until all gateways are ready, on a busy machine.
const SOON: Duration = secs(15);

/// Returns the gateways without their PIDs: a restart may change only those.
fn without_pids(gateways: &[Gateway]) -> Vec<Gateway> {
    gateways.iter().map(|gateway| Gateway { pid: None, ..gateway.clone() }).collect()
}

#[docker_test]
async fn running_gateways_return_and_stopped_ones_stay_stopped() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let create = "for p in one two three four idle fresh; do hermes profile create $p || exit; done";
    container.exec_sh(create).await?.success();
    container.exec(["hermes", "gateway", "start", "--all"]).await?.success();
    hermes(&container, "idle", &["gateway", "stop"]).await?.success();
    // The profile has no desired state, as after its creation.
    let forget = "hermes -p fresh gateway stop && rm /opt/data/profiles/fresh/gateway_state.json";
    container.exec_sh(forget).await?.success();
    let before = gateways(&container).await?;
    let running: Vec<_> = before.iter().filter(|gateway| gateway.ready).map(|g| g.profile.as_str()).collect();
    ensure!(running == RUNNING, "{before:?}");
    for way in WAYS {
        // Files that dead gateways left behind.
        let litter = "for p in . profiles/idle profiles/fresh; do echo 1 >$p/gateway.pid; echo '[]' >$p/processes.json; done";
        container.exec_sh(&format!("cd /opt/data && {litter}")).await?.success();
        let began = Instant::now();
        way.go(&container).await?;
        let as_before = async |container: &Container| {
            let after = gateways(container).await?;
            Ok(Look::from_option(
                (without_pids(&after) == without_pids(&before)).then(|| after.clone()),
                || format!("{after:?}"),
            ))
        };
        let after = container.wait_until(format!("all as before {way:?}"), as_before, secs(10)).await?;
        let took = began.elapsed();
        ensure!(took < SOON, "{way:?}: took {took:?}");
        check_gateways(&container, &after).await.with_context(|| format!("{way:?}"))?;
        let expected = [
            "profile=default prior_state=running action=started",
            "profile=four prior_state=running action=started",
            "profile=fresh prior_state=none action=registered",
            "profile=idle prior_state=stopped action=registered",
            "profile=one prior_state=running action=started",
            "profile=three prior_state=running action=started",
            "profile=two prior_state=running action=started",
        ];
        let boot = last_boot(&container).await?;
        ensure!(boot == expected, "{way:?}: {boot:#?}");
        container.exec(["hermes", "health"]).await?.success();
    }
    Ok(())
}

/// Prints a line for each profile: its `gateway.pid`, `processes.json` if it exists, and its state file.
const LOOK: &str = r#"cd /opt/data && for profile in . profiles/*; do
    printf '%s\t%s\t%s\t%s\n' "${profile#profiles/}" "$(cat "$profile/gateway.pid" 2>/dev/null)" \
        "$(ls "$profile" | grep -x processes.json)" "$(cat "$profile/gateway_state.json" 2>/dev/null)"
done"#;

/// Checks that each ready gateway is a serving process of this boot with its own files. The others have no files.
async fn check_gateways(container: &Container, gateways: &[Gateway]) -> Result<()> {
    let look = container.exec_sh(LOOK).await?.success();
    let text = look.stdout();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    ensure!(lines.len() == gateways.len(), "{}", look.report("a line for each profile"));
    for gateway in gateways {
        let name = if gateway.profile == "default" { "." } else { &gateway.profile };
        let line = lines.iter().find(|line| line[0] == name).with_context(|| look.report(name))?;
        let expected_pid = gateway.pid.map_or(String::new(), |pid| pid.to_string());
        ensure!(line[1] == expected_pid && line[2].is_empty(), "{gateway:?}: {line:?}");
        let Some(pid) = gateway.pid else { continue };
        let state: Value = serde_json::from_str(line[3])?;
        let says = (&state["gateway_state"], &state["pid"], &state["kind"]);
        ensure!(says == (&json!("running"), &json!(pid), &json!("hermes-gateway")), "{gateway:?}: {state}");
    }
    for gateway in gateways.iter().filter(|gateway| ["default", "two"].contains(&gateway.profile.as_str())) {
        let answer = container.http_get_inside(gateway.port.context("a port")?, "/health", &[]).await?;
        let health: Value = serde_json::from_slice(&answer.body)?;
        let answers = (answer.status, &health["pid"], &health["profile"]);
        ensure!(answers == (200, &json!(gateway.pid), &json!(gateway.profile)), "{gateway:?}: {health}");
    }
    Ok(())
}

/// A profile, its state file, and the result of the boot: prior state, and `true` if the slot is up.
const TABLE: [(&str, &str, &str, bool); 20] = [
    ("wanted", r#"{"desired_state":"running"}"#, "running", true),
    ("wanted-failed", r#"{"desired_state":"running","gateway_state":"startup_failed"}"#, "running", true),
    ("wanted-starting", r#"{"desired_state":"running","gateway_state":"starting"}"#, "running", true),
    ("wanted-stopped", r#"{"desired_state":"running","gateway_state":"stopped"}"#, "running", true),
    ("was-running", r#"{"gateway_state":"running","pid":7}"#, "running", true),
    ("was-draining", r#"{"gateway_state":"draining"}"#, "draining", true),
    ("was-degraded", r#"{"gateway_state":"degraded"}"#, "degraded", true),
    ("null-desired", r#"{"desired_state":null,"gateway_state":"running"}"#, "running", true),
    // The clock of a container cannot be set. A clock that was set back leaves times in the future.
    (
        "from-the-future",
        r#"{"gateway_state":"running","updated_at":"2199-01-01T00:00:00Z"}"#,
        "running",
        true,
    ),
    ("unwanted", r#"{"desired_state":"stopped","gateway_state":"running"}"#, "stopped", false),
    ("unwanted-draining", r#"{"desired_state":"stopped","gateway_state":"draining"}"#, "stopped", false),
    ("starting", r#"{"gateway_state":"starting"}"#, "starting", false),
    ("startup-failed", r#"{"gateway_state":"startup_failed"}"#, "startup_failed", false),
    ("stopped", r#"{"gateway_state":"stopped"}"#, "stopped", false),
    ("nothing-said", "{}", "none", false),
    ("shouting", r#"{"gateway_state":"RUNNING"}"#, "none", false),
    ("odd-desired", r#"{"desired_state":"Running","gateway_state":"running"}"#, "none", false),
    ("number-desired", r#"{"desired_state":1,"gateway_state":"running"}"#, "none", false),
    ("two-lines", r#"{"gateway_state":"running\nprofile=evil action=started"}"#, "none", false),
    ("cut-off", r#"{"desired_state":"running","gateway_st"#, "none", false),
];

#[docker_test]
async fn the_table_of_states_decides_which_slots_are_up() -> Result<()> {
    let mut builder = Container::builder().cmd(["sleep", "infinity"]).profile("no-file");
    for (name, state, ..) in TABLE {
        builder = builder.profile(name).profile_file(name, "gateway_state.json", state);
    }
    let container = builder.plant("touch -d 2199-01-01 from-the-future/*").start_ready().await?;
    let mut expected: BTreeMap<&str, String> = TABLE
        .iter()
        .map(|(name, _, prior, up)| {
            let action = if *up { "started" } else { "registered" };
            (*name, format!("profile={name} prior_state={prior} action={action}"))
        })
        .collect();
    expected.insert("no-file", "profile=no-file prior_state=none action=registered".to_owned());
    let boot = last_boot(&container).await?;
    ensure!(boot[0] == "profile=default prior_state=none action=registered", "{boot:#?}");
    ensure!(boot[1..].iter().eq(expected.values()), "{boot:#?}");
    for (name, _, _, up) in TABLE {
        if up {
            container.wait_until(format!("{name} is ready"), gateway_is(name, "running"), secs(10)).await?;
        }
    }
    let slots = container.slots("/run/service").await?;
    for name in expected.keys().copied().chain(["default"]) {
        let should = TABLE.iter().any(|(known, _, _, up)| *known == name && *up);
        let slot = slots.iter().find(|slot| slot.name() == format!("gateway-{name}"));
        let right =
            slot.is_some_and(|slot| (slot.up, slot.wanted_up, slot.normally_up) == (should, should, should));
        ensure!(right, "{name} should be up: {should}; it is {slot:?}");
    }
    // No order was given, so no desired state is written. The time in the future is gone.
    let state = state_file(&container, "from-the-future").await?;
    ensure!(state["desired_state"] == Value::Null, "{state}");
    ensure!(state["updated_at"].as_str().is_some_and(|time| time < "2199"), "{state}");
    // A gateway that runs because of the table can be stopped like any other.
    hermes(&container, "from-the-future", &["gateway", "stop"]).await?.success();
    container.wait_until("it is stopped", gateway_is("from-the-future", "stopped"), secs(10)).await?;
    Ok(())
}
