//! The slot: up only if the variable enables it, restarted after a kill, ready only when the port is bound.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{log_says, slot_down};
use hermes_harness::{Container, Look, Volume, docker_test, secs};

use super::{
    PORT, SLOT, VARIABLE, bound_address, check_down, slot, start_dashboard, wait_until_bound, with_dashboard,
};
use crate::support::driving::{hermes, look};
use crate::support::own_services::OwnServices as _;

/// The limit for a killed dashboard to be back and bound.
const BACK: Duration = Duration::from_secs(2);

/// Kills the dashboard, and prints the time until it is ready, in microseconds.
const KILL: &str = r#"exec bash -c 'cd /run/service/dashboard; old=$(/command/s6-svstat -o pid .); from=${EPOCHREALTIME/./}
kill -KILL "$old" || exit 1
until read -r pid ready < <(/command/s6-svstat -o pid,ready .) && [ "$pid" != "$old" ] && [ "$ready" = true ]; do
  [ $((${EPOCHREALTIME/./} - from)) -lt 10000000 ] || exit 1
done
echo $((${EPOCHREALTIME/./} - from))'"#;

#[docker_test]
#[case::unset(None)]
#[case::empty(Some(""))]
#[case::zero(Some("0"))]
#[case::no(Some("no"))]
#[case::false_word(Some("false"))]
#[case::on(Some("on"))]
async fn the_slot_is_down_unless_the_variable_is_true(#[case] value: Option<&str>) -> Result<()> {
    let mut builder = Container::builder().cmd(["sleep", "infinity"]);
    if let Some(value) = value {
        builder = builder.env(VARIABLE, value);
    }
    let container = builder.start_ready().await?;
    check_down(&container).await?;
    let said = look(&container, "/command/s6-svstat /run/service/dashboard").await?;
    ensure!(said.starts_with("down ") && !said.contains("want up"), "{said}");
    // The slot was never started, so its `run` had no decision to make.
    ensure!(!slot(&container).await?.normally_up, "only its run keeps it down");
    let log = container.log().await?;
    ensure!(!log.contains("dashboard:"), "{log}");
    hermes(&container, "dashboard status").await?.success();
    Ok(())
}

#[docker_test]
#[case::one("1")]
#[case::lower_case("true")]
#[case::upper_case("YES")]
#[case::mixed_case("True")]
async fn the_slot_is_up_if_the_variable_is_true(#[case] value: &str) -> Result<()> {
    let builder = Container::builder().env(VARIABLE, value).cmd(["sleep", "infinity"]);
    let container = start_dashboard(builder).await?;
    let address = bound_address(&container, PORT).await?;
    ensure!(address.as_deref() == Some("0.0.0.0"), "{address:?}");
    let said = look(&container, "/command/s6-svstat /run/service/dashboard").await?;
    ensure!(said.starts_with("up ") && said.contains("ready"), "{said}");
    let status = hermes(&container, "dashboard status").await?.success();
    ensure!(status.stdout().contains("slot: running"), "{}", status.report("running"));
    Ok(())
}

#[docker_test]
async fn the_status_is_booting_during_the_boot() -> Result<()> {
    const WAITS: &str = "#!/bin/sh\nuntil [ -e /tmp/go-on ]; do sleep 0.01; done\n";
    const FAILED: &str =
        r#"{"dashboard_state":"startup_failed","pid":1,"exit_reason":"of an earlier boot","updated_at":""}"#;
    let builder = with_dashboard().file("/opt/data/dashboard/state.json", 0o644, FAILED);
    let container = builder.init_script("04-waits", WAITS).start().await?;
    let told = async |container: &Container| {
        let told = hermes(container, "dashboard status --json").await?;
        // The slot is not supervised before the first instructions of /init.
        Ok(Look::holds(told.stdout().contains(r#""slot":"booting""#), || told.report("booting")))
    };
    container.wait_until("it is told", told, secs(10)).await?;
    hermes(&container, "dashboard status").await?.success().stdout_is("slot: booting");
    hermes(&container, "health").await?.code(1).stdout_is("unhealthy: the boot is not complete");
    container.exec(["touch", "/tmp/go-on"]).await?.success();
    wait_until_bound(&container).await?;
    let status = hermes(&container, "dashboard status").await?.success();
    ensure!(status.stdout().contains("slot: running"), "{}", status.report("running"));
    Ok(())
}

#[docker_test]
async fn a_disabled_dashboard_brought_up_by_hand_stops_again() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    // The order comes from the account, then from root. Both have the same result.
    for root in [false, true] {
        let order = container.exec(["/command/s6-svc", "-u", "/run/service/dashboard"]);
        if root { order.as_root() } else { order }.await?.success();
        let refused = async |container: &Container| {
            let log = container.log().await?;
            let times =
                log.matches("dashboard: HERMES_DASHBOARD is not 1, true or yes: it stays down").count();
            Ok(Look::holds(times == 1 + usize::from(root), || log))
        };
        container.wait_until("it says why", refused, secs(10)).await?;
        let settled = async |container: &Container| {
            let slot = slot(container).await?;
            Ok(Look::holds(!slot.up && !slot.wanted_up, || slot.to_string()))
        };
        container.wait_until("it is down for good", settled, secs(10)).await?;
        check_down(&container).await?;
    }
    Ok(())
}

#[docker_test]
async fn port_and_host_come_from_the_variables() -> Result<()> {
    let elsewhere = start_dashboard(with_dashboard().env("HERMES_DASHBOARD_PORT", "9200")).await?;
    let addresses = (bound_address(&elsewhere, 9200).await?, bound_address(&elsewhere, PORT).await?);
    ensure!(addresses == (Some("0.0.0.0".to_owned()), None), "{addresses:?}");
    let local = start_dashboard(with_dashboard().env("HERMES_DASHBOARD_HOST", "127.0.0.1")).await?;
    let address = bound_address(&local, PORT).await?;
    ensure!(address.as_deref() == Some("127.0.0.1"), "{address:?}");
    Ok(())
}

#[docker_test]
async fn a_killed_dashboard_is_back_within_two_seconds() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    for kill in 1..=3 {
        // The script measures inside the container, so the time of an exec does not count.
        let took: u64 = look(&container, KILL).await?.parse()?;
        let took = Duration::from_micros(took);
        ensure!(took <= BACK, "kill {kill}: it took {took:?}");
        ensure!(bound_address(&container, PORT).await?.is_some(), "kill {kill}: ready, and not bound");
        ensure!(container.http_get(PORT, "/api/status", &[]).await?.status == 200, "kill {kill}");
    }
    Ok(())
}

#[docker_test]
async fn the_slot_follows_the_variable_of_the_new_container() -> Result<()> {
    // The old /run is kept as well: in a pod, an emptyDir outlives its containers.
    let (data, run) = (Volume::new().await?, Volume::new().await?);
    for value in ["0", "1", "no", "yes"] {
        let container = with_dashboard()
            .tune(|body, _| body.env = Some(vec![format!("{VARIABLE}={value}")]))
            .volume(&data, "/opt/data")
            .volume(&run, "/run")
            .start_ready()
            .await?;
        for boot in ["first", "restarted"] {
            if matches!(value, "1" | "yes") {
                wait_until_bound(&container).await.with_context(|| format!("{value}, {boot}"))?;
            } else {
                check_down(&container).await.with_context(|| format!("{value}, {boot}"))?;
            }
            if boot == "first" {
                container.restart().await?;
                container.ready().await?;
            }
        }
        container.stop().await?;
        container.remove().await?;
    }
    Ok(())
}

#[docker_test]
async fn the_dashboard_runs_as_the_account_without_privileges() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let pid = slot(&container).await?.pid.context("it is up")?;
    let processes = container.processes().await?;
    let process = processes.iter().find(|process| process.pid == pid).context("it is there")?;
    ensure!((process.uid, process.gid) == (10000, 10000), "{process:?}");
    let environ = container.exec_sh(&format!("tr '\\0' '\\n' </proc/{pid}/environ")).await?.success();
    let lines = environ.stdout();
    for expected in ["HOME=/opt/data", "HERMES_HOME=/opt/data"] {
        ensure!(lines.lines().any(|line| line == expected), "no {expected}:\n{lines}");
    }
    let status = container.exec_sh(&format!("grep CapEff: /proc/{pid}/status")).await?.success();
    status.stdout_is("CapEff:\t0000000000000000");
    let ports = container.listening_ports().await?;
    ensure!(ports.iter().any(|port| port.port == PORT && port.uid == 10000), "{ports:?}");
    Ok(())
}

#[docker_test]
async fn the_slot_is_not_ready_before_the_port_is_bound() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let pid = slot(&container).await?.pid.context("it is up")?;
    // A process that is stopped right after its start has bound no port.
    let script = format!(
        "set -e; cd /run/service/dashboard; kill -KILL {pid}
         while :; do
           new=$(/command/s6-svstat -o pid .)
           if [ \"$new\" != -1 ] && [ \"$new\" != {pid} ] && kill -STOP \"$new\" 2>/dev/null; then break; fi
         done
         echo $new"
    );
    let stopped: u32 = look(&container, &script).await?.parse()?;
    let state = slot(&container).await?;
    let is_bound = bound_address(&container, PORT).await?.is_some();
    ensure!(state.up && state.pid == Some(stopped), "{state}");
    ensure!(!state.ready || is_bound, "ready, and not bound: {state}");
    container.kill_process(stopped, "CONT").await?;
    wait_until_bound(&container).await?;
    ensure!(bound_address(&container, PORT).await?.is_some(), "ready, and not bound");
    Ok(())
}

#[docker_test]
async fn a_stopped_dashboard_ends_cleanly_and_stays_down() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    container.exec(["/command/s6-svc", "-d", "/run/service/dashboard"]).await?.success();
    let down = container.wait_until("it is down", slot_down(SLOT), secs(10)).await?;
    ensure!(down.signal.is_none() && down.exit_code == Some(0), "{down}");
    let said = super::record(&container).await?;
    ensure!(said["dashboard_state"] == "stopped", "{said}");
    check_down(&container).await?;
    container.exec(["/command/s6-svc", "-u", "/run/service/dashboard"]).await?.success();
    wait_until_bound(&container).await?;
    container
        .wait_until("it says so", log_says("dashboard: listening on http://0.0.0.0:9119"), secs(5))
        .await?;
    Ok(())
}
