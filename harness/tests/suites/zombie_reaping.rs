//! PID 1 reaps every orphan of a double fork.

use anyhow::{Result, ensure};
use hermes_harness::probe::{Process, log_says, process_table};
use hermes_harness::{Container, ContainerBuilder, Look, boot_of, docker_test, secs};

use crate::support::own_services::OwnServices;

/// The number of simultaneous orphans.
const MANY: usize = 1000;

/// Returns a script that forks this many processes twice. Each waits at a FIFO until another process writes to it. So
/// all are orphans at one time, and all end at one moment.
fn orphans(number: usize, gate: &str) -> String {
    format!(
        "umask 000; mkfifo {gate}; i=0
        while [ $i -lt {number} ]; do ( (read _ <{gate}) & ); i=$((i+1)); done
        echo 'all are orphans'; exec sleep infinity"
    )
}

/// Returns true for a process of [`orphans`]. It has the name of its parent: `sh`, or `run` in a service.
fn is_fork(process: &Process) -> bool {
    ["sh", "run"].contains(&process.comm.as_str())
}

async fn assert_orphans_reaped(builder: ContainerBuilder, number: usize, gate: &str) -> Result<Container> {
    let container = builder.start().await?;
    let supervisor = boot_of(&container).await?.supervisor.pid;
    container.wait_until("the orphans wait", log_says("all are orphans"), secs(60)).await?;
    let adopted = async |container: &Container| {
        let processes = container.processes().await?;
        let seen = processes.iter().filter(|process| process.ppid == supervisor && is_fork(process)).count();
        Ok(Look::holds(seen == number, || format!("{seen} orphans of {number}")))
    };
    container.wait_until("all are adopted by the supervisor", adopted, secs(30)).await?;
    // Root can open the gate of any user.
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
        assert_orphans_reaped(Container::builder().cmd(["sh", "-c", &script]), MANY, "/tmp/gate").await?;
    ensure!(boot_of(&container).await?.supervisor.pid == 1, "the supervisor is not PID 1");
    container.stop().await?;
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    Ok(())
}

#[docker_test]
async fn a_thousand_orphans_leave_no_zombie_below_docker_init() -> Result<()> {
    let script = orphans(MANY, "/tmp/gate");
    let builder = Container::builder().init().cmd(["sh", "-c", &script]);
    let container = assert_orphans_reaped(builder, MANY, "/tmp/gate").await?;
    ensure!(boot_of(&container).await?.supervisor.pid != 1, "PID 1 is the engine's with --init");
    container.stop().await?;
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    Ok(())
}

#[docker_test]
#[case::user_service(Container::builder(), false)]
#[case::system_service(Container::builder(), true)]
#[case::user_service_below_docker_init(Container::builder().init(), false)]
#[case::system_service_below_docker_init(Container::builder().init(), true)]
async fn the_orphans_of_services_leave_no_zombie_in_either_tree(
    #[case] builder: ContainerBuilder,
    #[case] system: bool,
) -> Result<()> {
    let builder = builder.cmd(["sleep", "infinity"]);
    let run = format!("#!/bin/sh\n{}\n", orphans(100, "/tmp/gate"));
    let builder = match system {
        true => builder.system_service("leaves-orphans", &run),
        false => builder.user_service("leaves-orphans", &run),
    };
    assert_orphans_reaped(builder, 100, "/tmp/gate").await.map(drop)
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
    // A command need not reap its own children: none is left after its end. The end of an orphan does not count as the
    // end of the command.
    let script = "( (exit 9) & ); ( (sleep 0.1; exit 8) & ); (exit 7) & sleep 0.3; exit 6";
    Container::builder().run(["sh", "-c", script]).await?.code(6);
    Container::builder().init().run(["sh", "-c", script]).await?.code(6);
    Ok(())
}
