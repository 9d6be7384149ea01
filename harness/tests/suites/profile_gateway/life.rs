//! The commands create, start, stop, restart and delete.

use anyhow::{Result, ensure};
use hermes_harness::probe::{process_table, slot_down, slot_ready};
use hermes_harness::{docker_test, secs};
use predicates::str::contains;

use crate::support::driving::{
    answers_at_both_doors, create, directory, gateway_processes, hermes, look, must_be_down_for_good,
    only_gateway, port, ready_pid, slot, slots_with_hidden_ones, state, status, up, up_with, wanted_and_said,
};

#[docker_test]
async fn a_new_profile_has_a_stopped_slot_and_a_port() -> Result<()> {
    let container = up().await?;
    let created = hermes(&container, "profile create coder").await?.success();
    created.stdout_matches(contains("hermes -p coder gateway start"));

    for name in ["gateway-coder", "/run/service/gateway-coder/log"] {
        let slot = container.slot(name).await?.expect("it is registered");
        ensure!(!slot.up && !slot.wanted_up && !slot.normally_up, "{slot}");
        let down = container.file(&format!("{}/down", slot.path)).await?;
        ensure!(down.is_some(), "{} has no file 'down'", slot.path);
    }
    ensure!(gateway_processes(&container).await?.is_empty());
    ensure!(
        slots_with_hidden_ones(&container).await?
            == "dashboard gateway-coder gateway-default main-hermes volume-lease"
    );

    let status = status(&container, "coder").await?;
    ensure!(status["state"] == "stopped" && status["desired_state"].is_null(), "{status}");
    let port = port(&container, "coder").await?;
    ensure!((9200..=9799).contains(&port), "port {port}");
    let files = look(&container, "cd /opt/data/profiles/coder && cat config.yaml && ls SOUL.md").await?;
    ensure!(files == format!("version: 1\ngateway:\n  port: {port}\nSOUL.md"), "{files}");
    Ok(())
}

#[docker_test]
async fn start_waits_for_readiness_and_stop_for_the_end() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    let port = port(&container, "coder").await?;

    // The check follows in the same script, so it does not wait.
    let look = "/command/s6-svstat -o up,ready /run/service/gateway-coder";
    let started = container.exec_sh(&format!("hermes -p coder gateway start && {look}")).await?.success();
    started.stdout_matches(contains("\ntrue true\n"));
    let pid = ready_pid(&container, "coder").await?;
    answers_at_both_doors(&container, "coder", port).await?;
    started.stdout_matches(contains("gateway 'coder' is running"));
    ensure!(only_gateway(&container).await?.pid == pid);
    let seen = state(&container, "coder").await?;
    ensure!(seen["desired_state"] == "running" && seen["gateway_state"] == "running", "{seen}");
    ensure!(seen["pid"] == pid && seen["kind"] == "hermes-gateway", "{seen}");
    let pid_file = container.read_file("/opt/data/profiles/coder/gateway.pid").await?;
    ensure!(String::from_utf8(pid_file)?.trim() == pid.to_string());
    ensure!(slot(&container, "coder").await?.normally_up, "it would not come up again");

    // A start of a running gateway changes nothing.
    hermes(&container, "-p coder gateway start").await?.success();
    ensure!(ready_pid(&container, "coder").await? == pid, "another process");

    let stopped = container.exec_sh(&format!("hermes -p coder gateway stop && {look}")).await?.success();
    stopped.stdout_matches(contains("\nfalse false\n"));
    must_be_down_for_good(&container, "coder").await?;
    stopped.stdout_matches(contains("gateway 'coder' is stopped"));
    ensure!(!slot(&container, "coder").await?.normally_up, "it would come up again");
    ensure!(!container.listens_on(port).await?, "something listens on {port}");
    ensure!(gateway_processes(&container).await?.is_empty());
    ensure!(wanted_and_said(&container, "coder").await? == ("stopped".into(), "stopped".into()));
    for gone in ["gateway.pid", "gateway.sock"] {
        ensure!(container.file(&format!("/opt/data/profiles/coder/{gone}")).await?.is_none(), "{gone}");
    }
    hermes(&container, "-p coder gateway stop").await?.success();

    // A rescan starts every slot whose desired state is up.
    container.exec(["/command/s6-svscanctl", "-a", "/run/service"]).await?.success();
    must_be_down_for_good(&container, "coder").await?;
    container.restart().await?;
    container.ready().await?;
    must_be_down_for_good(&container, "coder").await?;
    ensure!(status(&container, "coder").await?["desired_state"] == "stopped");
    Ok(())
}

#[docker_test]
async fn a_restart_replaces_the_process_or_starts_a_stopped_gateway() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    // The gateway is stopped here.
    hermes(&container, "-p coder gateway restart").await?.success();
    let first = ready_pid(&container, "coder").await?;
    let logger = container.slot("/run/service/gateway-coder/log").await?.expect("it is registered");
    ensure!(logger.up, "{logger}");

    hermes(&container, "-p coder gateway restart").await?.success();
    let second = ready_pid(&container, "coder").await?;
    ensure!(second != first, "the same process");
    ensure!(only_gateway(&container).await?.pid == second);
    ensure!(wanted_and_said(&container, "coder").await? == ("running".into(), "running".into()));
    let status = status(&container, "coder").await?;
    ensure!(status["pid"] == second && status["restarts"] == 0, "an order is no crash: {status}");
    // The gateway answers when the restart returns.
    answers_at_both_doors(&container, "coder", port(&container, "coder").await?).await?;
    Ok(())
}

#[docker_test]
async fn the_profile_flag_may_stand_before_or_after_the_verb() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    for words in ["-p coder gateway status", "gateway status -p coder", "gateway -p coder status"] {
        hermes(&container, words).await?.success().stdout_matches(contains("coder"));
    }
    for words in ["--profile coder gateway start", "gateway stop --profile=coder", "gateway start -p coder"] {
        hermes(&container, words).await?.success().stdout_matches(contains("gateway 'coder' is "));
    }
    must_be_down_for_good(&container, "default").await?;

    hermes(&container, "gateway start").await?.success().stdout_matches(contains("'default' is running"));
    answers_at_both_doors(&container, "default", 8642).await?;
    // The gateway of the default profile starts without -p, the others with it.
    let argv: Vec<_> = gateway_processes(&container).await?.into_iter().map(|gateway| gateway.argv).collect();
    for expected in [vec!["gateway", "run"], vec!["-p", "coder", "gateway", "run"]] {
        ensure!(argv.iter().any(|argv| argv[1..] == expected[..]), "{expected:?} in {argv:?}");
    }
    Ok(())
}

#[docker_test]
async fn no_wait_records_the_desired_state_and_returns() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    let ordered = hermes(&container, "-p coder gateway start --no-wait").await?.success();
    ordered.stdout_is("gateway 'coder': ordered");
    ensure!(state(&container, "coder").await?["desired_state"] == "running");
    ensure!(slot(&container, "coder").await?.wanted_up);
    // This start waits for the end of the first one.
    hermes(&container, "-p coder gateway start").await?.success();
    hermes(&container, "-p coder gateway stop --no-wait").await?.success();
    ensure!(state(&container, "coder").await?["desired_state"] == "stopped");
    ensure!(!slot(&container, "coder").await?.wanted_up);
    hermes(&container, "-p coder gateway stop").await?.success();
    must_be_down_for_good(&container, "coder").await
}

#[docker_test]
async fn an_order_still_holds_after_its_timeout() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    let supervisors = container.processes_named("s6-supervise").await?;
    let supervisor = supervisors.iter().find(|process| process.argv == ["s6-supervise", "gateway-coder"]);
    let supervisor = supervisor.expect("it is registered").pid;
    // A stopped supervisor carries out its orders later.
    container.kill_process(supervisor, "STOP").await?;
    let late = hermes(&container, "-p coder gateway start --timeout 0.5").await?.code(75);
    late.stderr_matches(contains("error: the gateway 'coder' is not ready after 500ms"));
    ensure!(state(&container, "coder").await?["desired_state"] == "running");
    container.kill_process(supervisor, "CONT").await?;
    container.wait_until("it is ready", slot_ready("gateway-coder"), secs(10)).await?;

    container.kill_process(supervisor, "STOP").await?;
    let late = hermes(&container, "-p coder gateway stop --timeout 500ms").await?.code(75);
    late.stderr_matches(contains("error: the gateway 'coder' is not down after 500ms"));
    ensure!(state(&container, "coder").await?["desired_state"] == "stopped");
    container.kill_process(supervisor, "CONT").await?;
    container.wait_until("it is down", slot_down("gateway-coder"), secs(10)).await?;

    for odd in ["0", "soon", "-1s"] {
        hermes(&container, &format!("-p coder gateway start --timeout={odd}")).await?.code(2);
    }
    must_be_down_for_good(&container, "coder").await
}

#[docker_test]
async fn a_deleted_profile_leaves_nothing_and_can_be_created_again() -> Result<()> {
    let container = up_with(&["coder", "other"]).await?;
    for profile in ["coder", "other"] {
        hermes(&container, &format!("-p {profile} gateway start")).await?.success();
    }
    let pid = ready_pid(&container, "coder").await?;

    let asked = hermes(&container, "profile delete coder").await?.code(1);
    asked.stderr_matches(contains("hermes profile delete coder --yes"));
    ensure!(ready_pid(&container, "coder").await? == pid, "something was done to it");

    hermes(&container, "profile delete coder --yes").await?.success();
    let processes = container.processes().await?;
    let left: Vec<_> = processes
        .iter()
        .filter(|process| process.pid == pid || process.argv.iter().any(|word| word.contains("coder")))
        .cloned()
        .collect();
    ensure!(left.is_empty(), "left:\n{}", process_table(&left));
    ensure!(container.zombies().await?.is_empty());
    ensure!(
        slots_with_hidden_ones(&container).await?
            == "dashboard gateway-default gateway-other main-hermes volume-lease"
    );
    for gone in [directory("coder"), "/opt/data/logs/gateways/coder".to_owned()] {
        ensure!(container.file(&gone).await?.is_none(), "{gone} is there");
    }
    ready_pid(&container, "other").await?;
    hermes(&container, "profile list").await?.success().stdout_matches(contains("other"));
    let again = hermes(&container, "profile delete coder --yes").await?.code(1);
    again.stderr_matches(contains("no such gateway 'coder'"));

    create(&container, &["coder"]).await?;
    must_be_down_for_good(&container, "coder").await?;
    ensure!(status(&container, "coder").await?["desired_state"].is_null(), "of the one that was deleted");
    hermes(&container, "-p coder gateway start").await?.success();
    Ok(())
}

#[docker_test]
async fn the_log_is_readable_right_after_the_first_start() -> Result<()> {
    let container = up().await?;
    for number in 0..5 {
        let script = format!(
            "hermes profile create agent-{number} && hermes -p agent-{number} gateway start --no-wait \
             && until hermes -p agent-{number} gateway status --json | grep -q '\"pid\":[0-9]'; do :; done \
             && hermes -p agent-{number} logs"
        );
        container.exec_sh(&script).deadline(secs(60)).await?.success();
    }
    Ok(())
}
