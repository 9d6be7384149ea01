//! Tests kill the processes that `/init` starts. The container still stops in order, or continues.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{log_says, process_table, slot_pid_other_than, slot_up};
use hermes_harness::{Container, Look, docker_test, secs};

use super::{WELL_INSIDE_DOCKERS_TEN_SECONDS, assert_order, timed_stop};
use crate::support::own_services::{FINISH, FINISHED, OwnServices, POLITE};

#[docker_test]
async fn a_killed_booter_still_leaves_an_orderly_stop() -> Result<()> {
    let builder = Container::builder().finish_script("50-tell", FINISH).user_service("polite", POLITE);
    let container = builder.cmd(["sleep", "infinity"]).start_ready().await?;
    container.wait_until("the service's trap is set", log_says("polite: up"), secs(10)).await?;
    let processes = container.processes().await?;
    let booter = processes.iter().find(|process| process.ppid == 1 && process.comm == "init");
    let booter = booter.with_context(|| format!("no booter:\n{}", process_table(&processes)))?;
    container.kill_process(booter.pid, "KILL").await?;
    let gone = async |container: &Container| {
        let left = container.processes_named("init").await?;
        Ok(Look::holds(left.is_empty(), || process_table(&left)))
    };
    container.wait_until("the booter is gone", gone, secs(10)).await?;
    let took = timed_stop(&container).await?;
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(took < WELL_INSIDE_DOCKERS_TEN_SECONDS, "took {took:?}:\n{log}");
    ensure!(code != 0 && code != 137, "exit code {code}:\n{log}");
    assert_order(&log, "polite: SIGTERM", FINISHED)
}

#[docker_test]
async fn a_killed_user_tree_restarts_with_its_services() -> Result<()> {
    let builder = Container::builder().user_service("polite", POLITE).cmd(["sleep", "infinity"]);
    let container = builder.start_ready().await?;
    for round in 1..=2 {
        let processes = container.processes().await?;
        let tree = processes.iter().find(|process| process.comm == "s6-svscan" && process.user == "hermes");
        let tree = tree.with_context(|| format!("no user tree:\n{}", process_table(&processes)))?.pid;
        let service = container.wait_until("polite is up", slot_up("polite"), secs(10)).await?;
        let pid = service.pid.context("an up slot has a PID")?;
        container.kill_process(tree, "KILL").await?;
        let back = async |container: &Container| {
            let trees = container.processes_named("s6-svscan").await?;
            let new = trees.iter().any(|process| process.user == "hermes" && process.pid != tree);
            Ok(Look::holds(new, || process_table(&trees)))
        };
        container.wait_until(format!("the user tree is back ({round})"), back, secs(10)).await?;
        container.wait_until("polite is back", slot_pid_other_than("polite", pid), secs(15)).await?;
        container.wait_until("main-hermes is back", slot_up("main-hermes"), secs(15)).await?;
        let processes = container.processes().await?;
        let supervisors = processes.iter().filter(|process| process.comm == "s6-supervise");
        let mut slots: Vec<_> = supervisors.filter_map(|process| process.argv.get(1).cloned()).collect();
        slots.sort();
        let table = process_table(&processes);
        let expected = [
            "dashboard",
            "gateway-default",
            "gateway-default/log",
            "main-hermes",
            "polite",
            "stop-relay",
            "user-tree",
            "volume-lease",
        ];
        ensure!(slots == expected, "slots supervised twice, or not at all: {slots:?}\n{table}");
    }
    let took = timed_stop(&container).await?;
    ensure!(took < WELL_INSIDE_DOCKERS_TEN_SECONDS, "took {took:?}");
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    Ok(())
}

#[docker_test]
async fn a_killed_service_restarts() -> Result<()> {
    let builder = Container::builder().user_service("polite", POLITE).system_service("system-polite", POLITE);
    let container = builder.cmd(["sleep", "infinity"]).start_ready().await?;
    for name in ["polite", "/run/s6/scandir/system-polite"] {
        let slot = container.wait_until("the slot is up", slot_up(name), secs(10)).await?;
        let pid = slot.pid.context("an up slot has a PID")?;
        container.kill_process(pid, "KILL").await?;
        container.wait_until("the slot is up again", slot_pid_other_than(name, pid), secs(10)).await?;
    }
    Ok(())
}
