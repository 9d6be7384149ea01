//! Containers with few rights: a read-only root, a `noexec` `/run`, no root, few capabilities, no new privileges. The
//! container boots, or it ends at once with a hint.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{log_says, process_table};
use hermes_harness::{Container, ContainerBuilder, Volume, boot_of, docker_test, secs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::driving::is_healthy_to;

/// The capabilities that the documentation names for `--cap-drop ALL`.
const CAPABILITIES: [&str; 5] = ["CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"];

/// The supervision trees of a container and their users.
#[derive(Clone, Copy, PartialEq)]
enum Trees {
    /// The tree of root, and in it the tree of `hermes`.
    Two,
    /// Everything runs as this UID.
    One(u32),
}

impl Trees {
    /// Returns the user of the command and of the tree of the agents.
    fn uid(self) -> u32 {
        if let Self::One(uid) = self { uid } else { 10000 }
    }
}

/// A command that prints a line and runs until a file appears or the container stops.
const COMMAND: &str = "echo up; until [ -e /opt/data/end ]; do sleep 0.05; done; exit 42";

/// Checks a whole life: boot, supervision, stop, second boot, the exit code of the command.
async fn assert_lifecycle(row: &str, builder: ContainerBuilder, trees: Trees) -> Result<()> {
    let life = async {
        let container = builder.cmd(["sh", "-c", COMMAND]).start_ready().await?;
        assert_supervision(&container, trees, "up\n").await?;
        container.stop().await?;
        let code = container.wait_exit(secs(10)).await?;
        ensure!(code == 143, "exit code {code} after docker stop, expected 143:\n{}", container.log().await?);
        container.start().await?;
        assert_supervision(&container, trees, "up\nup\n").await?;
        container.exec(["touch", "/opt/data/end"]).user(trees.uid().to_string()).await?.success();
        let code = container.wait_exit(secs(10)).await?;
        ensure!(code == 42, "exit code {code}, expected the command's own 42:\n{}", container.log().await?);
        let (stdout, stderr) = container.logs().await?;
        ensure!(stdout == "up\nup\n" && stderr.is_empty(), "its log, instead of up twice:\n{stdout}{stderr}");
        Ok(())
    };
    life.await.with_context(|| row.to_owned())
}

async fn assert_supervision(container: &Container, trees: Trees, log: &str) -> Result<()> {
    let boot = boot_of(container).await?;
    ensure!(boot.unprivileged == (trees != Trees::Two), "the boot's record: {boot:?}");
    container.wait_until("the command runs", log_says(log), secs(10)).await?;
    // The check runs as the user of the tree, since root without capabilities cannot read the slots of others.
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
    // Docker mounts a --tmpfs with noexec by default.
    assert_lifecycle("--read-only --tmpfs /run", read_only(""), Trees::Two).await
}

#[docker_test]
async fn a_read_only_container_lives_with_an_executable_run() -> Result<()> {
    let builder = read_only("exec").env("S6_READ_ONLY_ROOT", "1");
    assert_lifecycle("--read-only --tmpfs /run:exec", builder, Trees::Two).await
}

#[docker_test]
async fn a_container_lives_with_a_noexec_run() -> Result<()> {
    assert_lifecycle(
        "--tmpfs /run:noexec",
        Container::builder().tmpfs("/run", "rw,noexec,nosuid"),
        Trees::Two,
    )
    .await
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
    assert_lifecycle("--user 10000:10000", Container::builder().user("10000:10000"), Trees::One(10000)).await
}

#[docker_test]
#[case::noexec_run("")]
#[case::executable_run("exec,mode=1777")]
async fn user_10000_has_one_tree_with_a_read_only_root(#[case] options: &str) -> Result<()> {
    let builder = read_only(options).user("10000:10000");
    assert_lifecycle(&format!("--user 10000:10000 --tmpfs /run:{options}"), builder, Trees::One(10000)).await
}

#[docker_test]
async fn a_random_user_of_group_0_has_one_tree() -> Result<()> {
    assert_lifecycle("--user 12345:0", Container::builder().user("12345:0"), Trees::One(12345)).await
}

#[docker_test]
async fn a_read_only_random_user_has_one_tree() -> Result<()> {
    assert_lifecycle("--user 12345:0 --read-only", read_only("").user("12345:0"), Trees::One(12345)).await
}

#[docker_test]
#[case::writable_root(false)]
#[case::read_only_root(true)]
async fn any_user_with_a_writable_volume_has_one_tree(#[case] read_only: bool) -> Result<()> {
    let volume = Volume::new().await?;
    // The volume belongs to that user, as on a NAS or in a bind mount. The engine gives an empty volume to the user of
    // the image.
    let owner = Container::builder().volume(&volume, "/opt/data").entrypoint(["sh", "-c"]).user("root");
    owner.run(["echo mine >/opt/data/mine && chown -R 4711:4712 /opt/data"]).await?.success();
    let builder = Container::builder().user("4711:4712").volume(&volume, "/opt/data");
    let builder = builder.tmpfs("/run", "mode=1777").cap_drop("ALL").security_opt("no-new-privileges");
    let builder = if read_only { builder.read_only() } else { builder };
    assert_lifecycle(&format!("--user 4711:4712, read-only {read_only}"), builder, Trees::One(4711)).await
}

#[docker_test]
#[case::plain(Container::builder())]
#[case::read_only_root(read_only(""))]
#[case::tmpfs_on_run(Container::builder().tmpfs("/run", ""))]
async fn a_user_without_write_access_is_refused_with_a_hint(#[case] builder: ContainerBuilder) -> Result<()> {
    let outcome = builder.user("1234:1234").run(["echo", "it runs"]).await?.either_way();
    let report = outcome.report("exit code 78, and a hint");
    ensure!(outcome.exit_code() == 78, "{report}");
    let stderr = outcome.stderr();
    ensure!(["--user", "HERMES_UID", "PUID"].iter().all(|word| stderr.contains(word)), "{report}");
    ensure!(stderr.matches("error:").count() == 1, "{report}");
    ensure!(outcome.stdout().is_empty(), "{report}");
    Ok(())
}

#[docker_test]
async fn few_capabilities_are_enough() -> Result<()> {
    assert_lifecycle("--cap-drop ALL and those that are documented", few_capabilities(), Trees::Two).await
}

#[docker_test]
async fn few_capabilities_are_enough_with_a_read_only_root() -> Result<()> {
    let builder = few_capabilities().read_only().tmpfs("/run", "").security_opt("no-new-privileges");
    assert_lifecycle("--cap-drop ALL --read-only --security-opt no-new-privileges", builder, Trees::Two).await
}

#[docker_test]
async fn a_container_lives_without_new_privileges() -> Result<()> {
    let builder = Container::builder().security_opt("no-new-privileges");
    assert_lifecycle("--security-opt no-new-privileges", builder, Trees::Two).await
}

#[docker_test]
async fn without_root_no_capability_is_needed() -> Result<()> {
    let builder = Container::builder().user("10000:10000").cap_drop("ALL").security_opt("no-new-privileges");
    assert_lifecycle("--user 10000:10000 --cap-drop ALL", builder, Trees::One(10000)).await
}

#[docker_test]
#[case::writable_root(Container::builder())]
#[case::read_only_root(read_only(""))]
async fn without_any_capability_the_boot_names_the_needed_ones(
    #[case] builder: ContainerBuilder,
) -> Result<()> {
    let outcome = builder.cap_drop("ALL").run(["echo", "it runs"]).await?.either_way();
    let report = outcome.report("exit code 78, and the capabilities' names");
    ensure!(outcome.exit_code() == 78, "{report}");
    let stderr = outcome.stderr();
    ensure!(CAPABILITIES.iter().all(|capability| stderr.contains(capability)), "{report}");
    ensure!(stderr.matches("error:").count() == 1 && outcome.stdout().is_empty(), "{report}");
    Ok(())
}

#[docker_test]
#[case::chown("CHOWN")]
#[case::dac_override("DAC_OVERRIDE")]
#[case::kill("KILL")]
#[case::setgid("SETGID")]
#[case::setuid("SETUID")]
async fn each_missing_capability_is_noticed_and_named(#[case] missing: &str) -> Result<()> {
    let none = Container::builder().cap_drop("ALL").deadline(secs(30));
    let rest = CAPABILITIES.iter().filter(|capability| **capability != missing);
    let builder = rest.fold(none, |builder, capability| builder.cap_add(capability));
    let outcome = builder.run(["true"]).await?.either_way();
    let report = outcome.report(&format!("a boot without {missing} that works, or 78 and its name"));
    let works = outcome.exit_code() == 0 && outcome.stderr().is_empty();
    let told = outcome.exit_code() == 78 && outcome.stderr().contains(missing);
    ensure!(works || told, "{report}");
    Ok(())
}
