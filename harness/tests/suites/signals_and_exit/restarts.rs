//! An ended container starts again as if it were new. `/run` of a plain container outlives `docker restart`.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Process, log_says, process_table, slot_up};
use hermes_harness::{Container, Look, boot_of, docker_test, secs};

use crate::support::driving::is_healthy;
use crate::support::own_services::{FINISH, FINISHED, OwnServices, POLITE};

#[docker_test]
async fn a_container_that_was_killed_starts_again() -> Result<()> {
    let builder = Container::builder().user_service("polite", POLITE).cmd(["sleep", "infinity"]);
    let container = builder.start_ready().await?;
    for _ in 0..2 {
        let before = boot_of(&container).await?;
        container.kill("SIGKILL").await?;
        ensure!(container.wait_exit(secs(10)).await? == 137, "exit code of a killed container");
        container.start().await?;
        let after = boot_of(&container).await?;
        ensure!(before.supervisor != after.supervisor, "an earlier boot's record: {after:?}");
        container.wait_until("polite is up", slot_up("polite"), secs(10)).await?;
        is_healthy(&container).await?;
    }
    Ok(())
}

#[docker_test]
async fn a_container_that_was_killed_during_its_boot_starts_again() -> Result<()> {
    let waits =
        "#!/bin/sh\n[ -e /opt/data/second ] && exit 0\ntouch /opt/data/second; echo waits; exec sleep 60\n";
    let builder = Container::builder().init_script("10-wait", waits).user_service("polite", POLITE);
    let container = builder.cmd(["sleep", "infinity"]).start().await?;
    container.wait_until("the script waits", log_says("waits"), secs(20)).await?;
    container.kill("SIGKILL").await?;
    container.wait_exit(secs(10)).await?;
    container.start().await?;
    container.ready().await?;
    container.wait_until("polite is up", slot_up("polite"), secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn five_restarts_give_five_complete_boots() -> Result<()> {
    let builder = Container::builder().finish_script("50-tell", FINISH).user_service("polite", POLITE);
    let container =
        builder.cmd(["sh", "-c", "echo 'the command runs'; exec sleep infinity"]).start_ready().await?;
    let shape = |processes: &[Process]| {
        let mut shape: Vec<_> =
            processes.iter().map(|process| (process.user.clone(), process.comm.clone())).collect();
        shape.sort();
        shape
    };
    container.wait_until("polite is up", log_says("polite: up"), secs(10)).await?;
    container.wait_until("the command runs", log_says("the command runs"), secs(10)).await?;
    let first = container.processes().await?;
    for round in 1..=5 {
        container.restart().await?;
        container.ready().await?;
        let runs = "the command runs\n";
        let (stdout, _) = container.logs().await?;
        ensure!(stdout.matches(FINISHED).count() == round, "restart {round} was no orderly stop:\n{stdout}");
        let command_again = async |container: &Container| {
            let (stdout, _) = container.logs().await?;
            let seen = (stdout.matches(runs).count(), stdout.matches("polite: up").count());
            Ok(Look::holds(seen == (round + 1, round + 1), || format!("{seen:?}:\n{stdout}")))
        };
        container.wait_until(format!("everything runs again ({round})"), command_again, secs(10)).await?;
    }
    let before = process_table(&first);
    let as_before = async |container: &Container| {
        let now = container.processes().await?;
        let after = process_table(&now);
        Ok(Look::holds(shape(&first) == shape(&now), || format!("{after}before\n{before}")))
    };
    container.wait_until("the same processes after five restarts", as_before, secs(10)).await?;
    is_healthy(&container).await?;
    Ok(())
}

/// Leaves files of several kinds and owners for the next boot to clear.
const LITTER_AS_ROOT: &str = "
    cd /run/s6 && echo old >container_environment/OLD_VARIABLE && mkdir -p litter/deep && echo x >litter/deep/file
    ln -s /opt/data/precious link-to-precious; mkfifo fifo; chown -R 1234:1234 litter
    mkdir -p scandir/evil && printf '#!/bin/sh\\necho evil root service >&2\\n' >scandir/evil/run && chmod 755 scandir/evil/run
    mkdir -p /run/s6-rc && echo x >/run/s6-rc/litter && ln -s /opt/data/precious /run/s6-rc/link
    mkdir -p /run/service/owned-by-another && echo x >/run/service/owned-by-another/file
    chown -R 4321:4321 /run/service/owned-by-another && chmod 700 /run/service/owned-by-another
    rm -rf /run/s6/basedir && ln -s /opt/data/precious /run/s6/basedir";

const LITTER_AS_HERMES: &str = "
    mkdir -p /opt/data/precious/bin && echo keep >/opt/data/precious/file
    cd /run/service && echo x >file && ln -s /opt/data/precious link && ln -s /nowhere dangling && mkfifo fifo
    mkdir -p evil .hidden && printf '#!/bin/sh\\necho evil user service >&2\\n' >evil/run && chmod 755 evil/run
    echo x >.hidden/file && chmod 000 .hidden
    mv main-hermes/event main-hermes/was-event && mkdir unreadable && chmod 000 unreadable";

#[docker_test]
async fn a_boot_clears_the_remains_of_earlier_boots_in_run() -> Result<()> {
    let builder = Container::builder().user_service("polite", POLITE).cmd(["sleep", "infinity"]);
    let container = builder.start_ready().await?;
    let look = "ls -A -I '.leftover-*' /run/service /run/s6 /run/s6/container_environment /run/s6/scandir; ls -A /run/s6-rc 2>/dev/null";
    let before = container.exec_sh(look).as_root().await?.either_way().stdout();
    container.exec_sh(LITTER_AS_HERMES).await?.success();
    container.exec_sh(LITTER_AS_ROOT).as_root().await?.success();
    container.restart().await?;
    container.ready().await?;
    container.wait_until("polite is up", slot_up("polite"), secs(10)).await?;
    let after = container.exec_sh(look).as_root().await?.either_way().stdout();
    ensure!(before == after, "before the litter\n{before}after the restart\n{after}");
    container.exec(["cat", "/opt/data/precious/file"]).await?.success().stdout_is("keep");
    container.exec(["ls", "-A", "/opt/data/precious/bin"]).await?.success().stdout_is("");
    let log = container.log().await?;
    ensure!(!log.contains("evil"), "what was left there was run:\n{log}");
    is_healthy(&container).await?;
    Ok(())
}

#[docker_test]
async fn a_boot_replaces_wrong_runtime_directories() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    container.exec_sh("mkdir /opt/data/precious; echo keep >/opt/data/precious/file").await?.success();
    let commands =
        ["echo x >", "ln -s /opt/data/precious", "ln -s /nowhere", "mkfifo", "mkdir -m 0", "ln -s /etc"];
    for command in commands {
        // All processes stop first, since they would create files during the removal.
        let replace = format!(
            "kill -STOP -1 && cd /run && rm -rf service s6 s6-rc && \
             for name in service s6 s6-rc; do {command} /run/$name || exit; done"
        );
        container.exec_sh(&replace).as_root().await?.success();
        container.kill("SIGKILL").await?;
        container.wait_exit(secs(10)).await?;
        container.start().await?;
        let booted = container.ready().await;
        booted.with_context(|| format!("after {command:?}"))?;
        is_healthy(&container).await?;
        container.exec(["cat", "/opt/data/precious/file"]).await?.success().stdout_is("keep");
        container.exec(["test", "-s", "/etc/passwd"]).await?.success();
        for (directory, user) in [("/run/service", "hermes"), ("/run/s6", "root")] {
            let facts = container.file(directory).await?;
            let right = facts.as_ref().is_some_and(|facts| facts.kind == "directory" && facts.owner == user);
            ensure!(right, "after {command:?} {directory} is {facts:?}");
        }
    }
    Ok(())
}
