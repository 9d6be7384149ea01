//! Little is allowed: a read-only root, a `noexec` `/run`, no root, few capabilities, no new privileges. The container
//! boots, or ends at once and says how to mend it.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{log_says, process_table};
use hermes_harness::{Container, ContainerBuilder, Volume, boot_of, docker_test, secs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::driving::is_healthy_to;

/// What the documentation names for `--cap-drop ALL`.
const CAPABILITIES: [&str; 5] = ["CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"];

/// Which trees a container has, and whose they are.
#[derive(Clone, Copy, PartialEq)]
enum Trees {
    /// Root's, and in it that of `hermes`.
    Two,
    /// Everything runs as this UID.
    One(u32),
}

impl Trees {
    /// Whose the command is, and the tree of the agents.
    fn uid(self) -> u32 {
        if let Self::One(uid) = self { uid } else { 10000 }
    }
}

/// Says that it runs, until it is asked for its exit code or stopped.
const COMMAND: &str = "echo up; until [ -e /opt/data/end ]; do sleep 0.05; done; exit 42";

/// A whole life: boot, supervision, stop, boot once more, the command's exit code.
async fn lives(row: &str, builder: ContainerBuilder, trees: Trees) -> Result<()> {
    let life = async {
        let container = builder.cmd(["sh", "-c", COMMAND]).start_ready().await?;
        is_whole(&container, trees, "up\n").await?;
        container.stop().await?;
        let code = container.wait_exit(secs(10)).await?;
        ensure!(code == 143, "exit code {code} after docker stop, expected 143:\n{}", container.log().await?);
        container.start().await?;
        is_whole(&container, trees, "up\nup\n").await?;
        container.exec(["touch", "/opt/data/end"]).user(trees.uid().to_string()).await?.success();
        let code = container.wait_exit(secs(10)).await?;
        ensure!(code == 42, "exit code {code}, expected the command's own 42:\n{}", container.log().await?);
        let (stdout, stderr) = container.logs().await?;
        ensure!(stdout == "up\nup\n" && stderr.is_empty(), "its log, instead of up twice:\n{stdout}{stderr}");
        Ok(())
    };
    life.await.with_context(|| row.to_owned())
}

async fn is_whole(container: &Container, trees: Trees, log: &str) -> Result<()> {
    let boot = boot_of(container).await?;
    ensure!(boot.unprivileged == (trees != Trees::Two), "the boot's record: {boot:?}");
    container.wait_until("the command runs", log_says(log), secs(10)).await?;
    // As who supervises it: without capabilities root may not look into the slots of others.
    let uid = trees.uid();
    let up = ["/command/s6-svwait", "-u", "-t", "10000", "/run/service/main-hermes"];
    container.exec(up).user(uid.to_string()).await?.success();
    let processes = container.processes().await?;
    let table = process_table(&processes);
    let mut users: Vec<u32> =
        processes.iter().filter(|process| process.comm == "s6-svscan").map(|process| process.uid).collect();
    users.sort_unstable();
    let expected = if trees == Trees::Two { vec![0, uid] } else { vec![uid] };
    ensure!(users == expected, "trees of {users:?}, expected {expected:?}:\n{table}");
    for process in processes.iter().filter(|process| ["sh", "sleep"].contains(&process.comm.as_str())) {
        ensure!(process.uid == uid, "{:?} of {}, expected {uid}:\n{table}", process.argv, process.uid);
    }
    is_healthy_to(container, &uid.to_string()).await
}

fn read_only(run: &str) -> ContainerBuilder {
    Container::builder().read_only().tmpfs("/run", run)
}

fn few_capabilities() -> ContainerBuilder {
    let none = Container::builder().cap_drop("ALL");
    CAPABILITIES.iter().fold(none, |builder, capability| builder.cap_add(capability))
}

#[docker_test]
async fn a_read_only_container_lives_with_a_tmpfs_on_run() -> Result<()> {
    // Docker mounts --tmpfs with noexec unless it is told otherwise.
    lives("--read-only --tmpfs /run", read_only(""), Trees::Two).await
}

#[docker_test]
async fn a_read_only_container_lives_with_an_executable_run() -> Result<()> {
    let builder = read_only("exec").env("S6_READ_ONLY_ROOT", "1");
    lives("--read-only --tmpfs /run:exec", builder, Trees::Two).await
}

#[docker_test]
async fn a_container_lives_with_a_noexec_run() -> Result<()> {
    lives("--tmpfs /run:noexec", Container::builder().tmpfs("/run", "rw,noexec,nosuid"), Trees::Two).await
}

#[docker_test]
async fn a_read_only_container_has_a_noexec_run() -> Result<()> {
    let container = read_only("").cmd(["sleep", "infinity"]).start_ready().await?;
    container.exec_sh("echo x >/etc/x").as_root().await?.failure();
    let script = "printf '#!/bin/sh\\n' >/run/x; chmod 755 /run/x; /run/x";
    container.exec_sh(script).as_root().await?.code(126);
    Ok(())
}

#[docker_test]
async fn a_read_only_container_without_a_writable_run_exits_78() -> Result<()> {
    let output = Container::builder().read_only().run(["true"]).await?.code(78);
    output.stderr_matches(contains("error:").and(contains("/run")).and(contains("--tmpfs /run")));
    Ok(())
}

#[docker_test]
async fn user_10000_has_one_tree() -> Result<()> {
    lives("--user 10000:10000", Container::builder().user("10000:10000"), Trees::One(10000)).await
}

#[docker_test]
async fn user_10000_has_one_tree_with_a_read_only_root() -> Result<()> {
    for options in ["", "exec,mode=1777"] {
        let builder = read_only(options).user("10000:10000");
        lives(&format!("--user 10000:10000 --tmpfs /run:{options}"), builder, Trees::One(10000)).await?;
    }
    Ok(())
}

#[docker_test]
async fn a_random_user_of_group_0_has_one_tree() -> Result<()> {
    lives("--user 12345:0", Container::builder().user("12345:0"), Trees::One(12345)).await
}

#[docker_test]
async fn a_read_only_random_user_has_one_tree() -> Result<()> {
    lives("--user 12345:0 --read-only", read_only("").user("12345:0"), Trees::One(12345)).await
}

#[docker_test]
async fn any_user_with_a_writable_volume_has_one_tree() -> Result<()> {
    for read_only in [false, true] {
        let volume = Volume::new().await?;
        // A volume of that user's own, as a NAS or a bind-mounted directory is: the engine gives an empty one to the image's user.
        let owner = Container::builder().volume(&volume, "/opt/data").entrypoint(["sh", "-c"]).user("root");
        owner.run(["echo mine >/opt/data/mine && chown -R 4711:4712 /opt/data"]).await?.success();
        let builder = Container::builder().user("4711:4712").volume(&volume, "/opt/data");
        let builder = builder.tmpfs("/run", "mode=1777").cap_drop("ALL").security_opt("no-new-privileges");
        let builder = if read_only { builder.read_only() } else { builder };
        lives(&format!("--user 4711:4712, read-only {read_only}"), builder, Trees::One(4711)).await?;
    }
    Ok(())
}

#[docker_test]
async fn a_user_without_write_access_is_refused_with_a_hint() -> Result<()> {
    let rows = [
        ("--user 1234:1234", Container::builder()),
        ("--user 1234:1234 --read-only --tmpfs /run", read_only("")),
        ("--user 1234:1234 --tmpfs /run", Container::builder().tmpfs("/run", "")),
    ];
    for (row, builder) in rows {
        let outcome = builder.user("1234:1234").run(["echo", "it runs"]).await?.either_way();
        let report = outcome.report(&format!("{row}: exit code 78, and a hint"));
        ensure!(outcome.exit_code() == 78, "{report}");
        let stderr = outcome.stderr();
        ensure!(["--user", "HERMES_UID", "PUID"].iter().all(|word| stderr.contains(word)), "{report}");
        ensure!(stderr.matches("error:").count() == 1, "{report}");
        ensure!(outcome.stdout().is_empty(), "{report}");
    }
    Ok(())
}

#[docker_test]
async fn few_capabilities_are_enough() -> Result<()> {
    lives("--cap-drop ALL and those that are documented", few_capabilities(), Trees::Two).await
}

#[docker_test]
async fn few_capabilities_are_enough_read_only_and_without_new_privileges() -> Result<()> {
    let builder = few_capabilities().read_only().tmpfs("/run", "").security_opt("no-new-privileges");
    lives("--cap-drop ALL --read-only --security-opt no-new-privileges", builder, Trees::Two).await
}

#[docker_test]
async fn no_new_privileges_changes_nothing() -> Result<()> {
    let builder = Container::builder().security_opt("no-new-privileges");
    lives("--security-opt no-new-privileges", builder, Trees::Two).await
}

#[docker_test]
async fn without_root_no_capability_is_needed() -> Result<()> {
    let builder = Container::builder().user("10000:10000").cap_drop("ALL").security_opt("no-new-privileges");
    lives("--user 10000:10000 --cap-drop ALL", builder, Trees::One(10000)).await
}

#[docker_test]
async fn without_any_capability_the_boot_names_the_needed_ones() -> Result<()> {
    for (row, builder) in [
        ("--cap-drop ALL", Container::builder().cap_drop("ALL")),
        ("--cap-drop ALL --read-only --tmpfs /run", read_only("").cap_drop("ALL")),
    ] {
        let outcome = builder.run(["echo", "it runs"]).await?.either_way();
        let report = outcome.report(&format!("{row}: exit code 78, and the capabilities' names"));
        ensure!(outcome.exit_code() == 78, "{report}");
        let stderr = outcome.stderr();
        ensure!(CAPABILITIES.iter().all(|capability| stderr.contains(capability)), "{report}");
        ensure!(stderr.matches("error:").count() == 1 && outcome.stdout().is_empty(), "{report}");
    }
    Ok(())
}

#[docker_test]
async fn each_missing_capability_is_noticed_and_named() -> Result<()> {
    for missing in CAPABILITIES {
        let none = Container::builder().cap_drop("ALL").deadline(secs(30));
        let rest = CAPABILITIES.iter().filter(|capability| **capability != missing);
        let builder = rest.fold(none, |builder, capability| builder.cap_add(capability));
        let outcome = builder.run(["true"]).await?.either_way();
        let report = outcome.report(&format!("a boot without {missing} that works, or 78 and its name"));
        let works = outcome.exit_code() == 0 && outcome.stderr().is_empty();
        let told = outcome.exit_code() == 78 && outcome.stderr().contains(missing);
        ensure!(works || told, "{report}");
    }
    Ok(())
}
