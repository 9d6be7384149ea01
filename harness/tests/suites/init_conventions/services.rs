//! Longruns, oneshots and bundles: their order, readiness and loggers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{log_says, process_table, slot_pid_other_than, slot_up};
use hermes_harness::{Container, ImageBuilder, Look, Output, docker_test, secs};
use predicates::str::{contains, is_empty};
use serde_json::Value;

use super::sample_image::{planted, sample_image};
use crate::support::own_services::{OwnServices, POLITE};

/// Checks that `log` has the expected lines in this order.
#[track_caller]
fn check_order(log: &str, expected: &[&str]) {
    let mut rest = log;
    for line in expected {
        let found = rest.split_once(line);
        assert!(found.is_some(), "no {line:?} in its place in the order {expected:?}:\n{log}");
        rest = found.map_or("", |(_, rest)| rest);
    }
}

#[docker_test]
async fn services_start_after_their_dependencies_and_stop_in_reverse() -> Result<()> {
    let image = sample_image().await?;
    let command =
        ["sh", "-c", "echo \"command: runs with report $(cat /opt/data/report)\"; exec sleep infinity"];
    let container = image.container().cmd(command).start_ready().await?;
    container.wait_until("the command runs", log_says("command: runs"), secs(10)).await?;
    container.wait_until("web runs", log_says("web: up"), secs(10)).await?;
    container.stop().await?;
    let (stdout, stderr) = container.logs().await?;
    check_order(&stdout, &["own script: runs", "set-clock: up as root", "clock: up as root", "clock: down"]);
    check_order(
        &stdout,
        &[
            "own script: runs",
            "migrate: first as hermes",
            "migrate: up as hermes",
            "database: begins",
            "database: ready",
            "report: up as hermes",
            "report: down as hermes",
            "database: told with web down",
            "database: down",
            "migrate: down as hermes",
        ],
    );
    check_order(&stdout, &["database: ready", "web: up, hello"]);
    check_order(&stdout, &["report: down as hermes", "web: down"]);
    check_order(&stdout, &["command: runs with report up", "own finish: runs with clock down, migrate down"]);
    ensure!(!stdout.contains("spare: up") && !stdout.contains("unused: up"), "not to be started:\n{stdout}");
    ensure!(stderr.is_empty(), "stderr of a boot without faults:\n{stderr}");
    Ok(())
}

#[docker_test]
async fn services_run_in_the_tree_of_their_bundle_after_restarts() -> Result<()> {
    let container = planted().cmd(["sleep", "infinity"]).start_ready().await?;
    for round in 0..2 {
        if round == 1 {
            container.restart().await?;
            container.ready().await?;
        }
        let (clock, database) = ("/run/s6/scandir/clock", "database");
        for (slot, user) in [(clock, "root"), (database, "hermes"), ("web", "hermes"), ("web/log", "hermes")]
        {
            let slot = if slot == "web/log" { "/run/service/web/log" } else { slot };
            let state = container.wait_until(format!("{slot} is up"), slot_up(slot), secs(10)).await?;
            let pid = state.pid.context("an up slot has a PID")?;
            let processes = container.processes().await?;
            let owner =
                processes.iter().find(|process| process.pid == pid).map(|process| process.user.as_str());
            ensure!(owner == Some(user), "{slot} runs as {owner:?}:\n{}", process_table(&processes));
        }
        let ready = container.slot(database).await?.context("database is supervised")?;
        ensure!(ready.ready, "the boot is complete, and a service is not ready: {ready}");
        let spare = container.slot("spare").await?.context("spare is supervised, though down")?;
        ensure!(!spare.up && !spare.wanted_up, "it has a file `down`: {spare}");
        ensure!(container.slot("unused").await?.is_none(), "unused is in no bundle");
    }
    // hermes cannot control the tree of root.
    container.exec(["/command/s6-svc", "-k", "/run/s6/scandir/clock"]).await?.failure();
    // hermes controls its own tree.
    container.exec(["/command/s6-svc", "-wu", "-T", "5000", "-u", "/run/service/spare"]).await?.success();
    container.exec(["/command/s6-svc", "-wD", "-T", "5000", "-d", "/run/service/spare"]).await?.success();
    Ok(())
}

#[docker_test]
async fn services_have_the_groups_of_their_account() -> Result<()> {
    let tells = "#!/bin/sh\necho \"${PWD##*/}: $(id -G)\"\nexec sleep infinity\n";
    let image = ImageBuilder::new()
        .instruction("RUN printf 'extra:x:4242:someone,hermes\\nothers:x:4243:someone\\n' >>/etc/group")
        .build()
        .await?;
    let builder = image.container().user_service("of-hermes", tells).system_service("of-root", tells);
    let container = builder.cmd(["sleep", "infinity"]).start_ready().await?;
    for line in ["of-hermes: 10000 4242\n", "of-root: 0\n"] {
        container.wait_until(format!("{line:?} in the log"), log_says(line), secs(10)).await?;
    }
    Ok(())
}

#[docker_test]
async fn a_service_has_its_logger_and_its_finish_script() -> Result<()> {
    let container = planted().cmd(["sleep", "infinity"]).start_ready().await?;
    let logged = "logged by hermes: web: up, hello\n";
    container.wait_until("the logger has a line", log_says(logged), secs(10)).await?;
    let logger = container.slot("/run/service/web/log").await?.and_then(|slot| slot.pid);
    let web = container.slot("web").await?.and_then(|slot| slot.pid).context("web is up")?;
    container.kill_process(web, "KILL").await?;
    container.wait_until("web is back", slot_pid_other_than("web", web), secs(10)).await?;
    let twice = async |container: &Container| {
        let (stdout, _) = container.logs().await?;
        Ok(Look::holds(stdout.matches(logged).count() == 2, || stdout))
    };
    container.wait_until("the logger has the line again", twice, secs(10)).await?;
    let same = container.slot("/run/service/web/log").await?.and_then(|slot| slot.pid);
    ensure!(logger.is_some() && logger == same, "the logger was {logger:?}, is {same:?}");
    // The arguments mean: killed by signal 9, of the service web.
    container.exec(["cat", "/opt/data/finished"]).await?.success().stdout_is("web: finish 256 9 web");
    Ok(())
}

#[docker_test]
async fn the_command_waits_until_a_service_is_ready() -> Result<()> {
    let late = "#!/bin/sh\nsleep 0.8; echo 'late: ready'; echo >&4; exec sleep infinity\n";
    let builder = Container::builder().user_service("late", late).file(
        "/etc/s6-overlay/s6-rc.d/late/notification-fd",
        0o644,
        "4\n",
    );
    let output = builder.run(["echo", "command: runs"]).await?.success();
    output.stdout_is("late: ready\ncommand: runs").stderr_matches(is_empty());
    Ok(())
}

#[docker_test]
async fn the_command_waits_at_most_the_configured_time() -> Result<()> {
    let builder = Container::builder().user_service("never-ready", POLITE).file(
        "/etc/s6-overlay/s6-rc.d/never-ready/notification-fd",
        0o644,
        "3\n",
    );
    // Returns the time in the boot's record, which leaves out the engine's work.
    let waited = |boot: &Output| -> Result<Duration> {
        // The services write to the same stream.
        let stdout = boot.stdout();
        let line = stdout.lines().find(|line| line.starts_with('{'));
        let record: Value = serde_json::from_str(line.with_context(|| boot.report("a boot record"))?)?;
        let phases = record["phases"].as_array().into_iter().flatten();
        let services =
            phases.filter(|phase| phase["name"] == "services").find_map(|p| p["duration_us"].as_u64());
        Ok(Duration::from_micros(services.with_context(|| boot.report("a phase \"services\""))?))
    };
    let short = builder.clone().env("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "300");
    let short = short.run(["hermes", "boot", "--json"]).await?.success();
    short.stderr_matches(contains("S6_CMD_WAIT_FOR_SERVICES_MAXTIME"));
    let long = builder.run(["hermes", "boot", "--json"]).await?.success();
    let (short, long) = (waited(&short)?, waited(&long)?);
    ensure!(
        (Duration::from_millis(300)..secs(5)).contains(&short),
        "told to wait 300 ms, it waited {short:?}"
    );
    // The default is five seconds.
    ensure!((secs(5)..secs(20)).contains(&long), "by default it waited {long:?}");
    Ok(())
}

#[docker_test]
async fn without_root_all_services_run_in_one_tree() -> Result<()> {
    let container = planted().user("10000:10000").cmd(["sleep", "infinity"]).start_ready().await?;
    for slot in ["clock", "database", "web", "main-hermes"] {
        container.wait_until(format!("{slot} is up"), slot_up(slot), secs(10)).await?;
    }
    container.stop().await?;
    let (stdout, _) = container.logs().await?;
    check_order(
        &stdout,
        &["set-clock: up as hermes", "clock: up as hermes", "clock: down", "own finish: runs"],
    );
    Ok(())
}

#[docker_test]
async fn a_script_keeps_a_service_down_for_one_boot() -> Result<()> {
    const ONCE: &str = "#!/bin/sh\n[ -e /root/booted ] || { mkdir -p /run/s6/down; : >/run/s6/down/polite; }\n: >/root/booted\n";
    let container = Container::builder()
        .user_service("polite", POLITE)
        .init_script("50-once", ONCE)
        .cmd(["sleep", "infinity"])
        .start_ready()
        .await?;
    let slot = container.slot("polite").await?.context("it is supervised")?;
    ensure!(!slot.up && !slot.wanted_up && !slot.normally_up, "{slot}");
    ensure!(!container.log().await?.contains("polite: up"), "it was started");
    // The account can start the service nevertheless.
    container.exec(["/command/s6-svc", "-wu", "-T", "5000", "-u", "/run/service/polite"]).await?.success();
    container.restart().await?;
    container.ready().await?;
    let slot = container.slot("polite").await?.context("it is supervised")?;
    ensure!(slot.normally_up, "the next boot keeps it down, too: {slot}");
    Ok(())
}
