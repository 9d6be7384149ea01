//! PID 1 reaps every orphan: what a program leaves behind by a double fork is gone when it ends.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Process, log_says, process_table};
use hermes_harness::{Container, ContainerBuilder, Look, boot_of, docker_test, secs};

use crate::support::own_services::OwnServices;

/// How many orphans there are at the same time.
const MANY: usize = 1000;

/// Forks so many processes twice, each waiting at a FIFO until somebody writes to it: all are orphans at one time, and
/// all end at one moment.
fn orphans(number: usize, gate: &str) -> String {
    format!(
        "umask 000; mkfifo {gate}; i=0
        while [ $i -lt {number} ]; do ( (read _ <{gate}) & ); i=$((i+1)); done
        echo 'all are orphans'; exec sleep infinity"
    )
}

/// Whether it is one of those of [`orphans`]: they are called as what forked them, `sh -c` or a service's `run`.
fn is_fork(process: &Process) -> bool {
    ["sh", "run"].contains(&process.comm.as_str())
}

async fn all_are_reaped(builder: ContainerBuilder, number: usize, gate: &str) -> Result<Container> {
    let container = builder.start().await?;
    let supervisor = boot_of(&container).await?.supervisor.pid;
    container.wait_until("the orphans wait", log_says("all are orphans"), secs(60)).await?;
    let adopted = async |container: &Container| {
        let processes = container.processes().await?;
        let seen = processes.iter().filter(|process| process.ppid == supervisor && is_fork(process)).count();
        Ok(Look::holds(seen == number, || format!("{seen} orphans of {number}")))
    };
    container.wait_until("all are adopted by the supervisor", adopted, secs(30)).await?;
    // Root, since the gate is whoever's the orphans are.
    container.exec_sh(&format!(": >{gate}")).as_root().await?.success();
    let gone = async |container: &Container| {
        let processes = container.processes().await?;
        let left: Vec<_> =
            processes.iter().filter(|process| process.is_zombie() || is_fork(process)).cloned().collect();
        Ok(Look::holds(left.is_empty(), || format!("{} are left:\n{}", left.len(), process_table(&left))))
    };
    container.wait_until("none is left", gone, secs(30)).await?;
    Ok(container)
}

#[docker_test]
async fn a_thousand_orphans_of_the_command_leave_no_zombie() -> Result<()> {
    let script = orphans(MANY, "/tmp/gate");
    let container =
        all_are_reaped(Container::builder().cmd(["sh", "-c", &script]), MANY, "/tmp/gate").await?;
    ensure!(boot_of(&container).await?.supervisor.pid == 1, "the supervisor is not PID 1");
    container.stop().await?;
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    Ok(())
}

#[docker_test]
async fn a_thousand_orphans_leave_no_zombie_below_docker_init() -> Result<()> {
    let script = orphans(MANY, "/tmp/gate");
    let builder = Container::builder().init().cmd(["sh", "-c", &script]);
    let container = all_are_reaped(builder, MANY, "/tmp/gate").await?;
    ensure!(boot_of(&container).await?.supervisor.pid != 1, "PID 1 is the engine's with --init");
    container.stop().await?;
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    Ok(())
}

#[docker_test]
async fn the_orphans_of_services_leave_no_zombie_in_either_tree() -> Result<()> {
    for init in [false, true] {
        let run = |gate| format!("#!/bin/sh\n{}\n", orphans(100, gate));
        for system in [false, true] {
            let builder = Container::builder().cmd(["sleep", "infinity"]);
            let builder = if init { builder.init() } else { builder };
            let builder = match system {
                true => builder.system_service("leaves-orphans", &run("/tmp/gate")),
                false => builder.user_service("leaves-orphans", &run("/tmp/gate")),
            };
            let reaped = all_are_reaped(builder, 100, "/tmp/gate").await;
            reaped.with_context(|| format!("--init: {init}, a service of root: {system}"))?;
        }
    }
    Ok(())
}

#[docker_test]
async fn the_orphans_of_docker_exec_leave_no_zombie() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    for as_root in [false, true] {
        let exec =
            container.exec_sh("i=0; while [ $i -lt 100 ]; do ( (: ; sleep 0.01) & ); i=$((i+1)); done");
        let exec = if as_root { exec.as_root() } else { exec };
        exec.await?.success();
    }
    let gone = async |container: &Container| {
        let processes = container.processes().await?;
        let left = processes.iter().filter(|process| process.is_zombie() || is_fork(process)).count();
        Ok(Look::holds(left == 0, || process_table(&processes)))
    };
    container.wait_until("none is left", gone, secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn zombies_of_a_command_do_not_change_its_exit_code() -> Result<()> {
    // Its own children are its own affair; when it ends they are nobody's, and nothing of them is left. Nor is the end
    // of an orphan taken for the end of the command.
    let script = "( (exit 9) & ); ( (sleep 0.1; exit 8) & ); (exit 7) & sleep 0.3; exit 6";
    Container::builder().run(["sh", "-c", script]).await?.code(6);
    Container::builder().init().run(["sh", "-c", script]).await?.code(6);
    Ok(())
}
