//! The account and the rights of the command. The command cannot become root again.

use anyhow::{Result, ensure};
use hermes_harness::{Container, ImageBuilder, Output, docker_test};

use super::words::run;

/// The rest of the line of `/proc/<pid>/status` that begins with `name`.
fn status_line(status: &Output, name: &str) -> String {
    let text = status.stdout();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map_or_else(|| panic!("{}", status.report(&format!("a line {name}"))), |rest| rest.trim().to_owned())
}

#[docker_test]
async fn the_command_runs_as_hermes_without_capabilities_or_blocked_signals() -> Result<()> {
    let status = run(&["cat", "/proc/self/status"]).await?.success();
    // Real, effective, saved and file system IDs.
    for name in ["Uid", "Gid"] {
        ensure!(
            status_line(&status, name).split_whitespace().collect::<Vec<_>>() == ["10000"; 4],
            "{}",
            status.report("the IDs of hermes, all four of them")
        );
    }
    for name in ["CapInh", "CapPrm", "CapEff", "CapAmb", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"] {
        ensure!(
            status_line(&status, name).chars().all(|digit| digit == '0'),
            "{}",
            status.report(&format!("nothing in {name}"))
        );
    }
    ensure!(status_line(&status, "Groups") == "10000", "{}", status.report("no group of root's"));
    Ok(())
}

#[docker_test]
async fn the_command_has_the_supplementary_groups_of_the_account() -> Result<()> {
    let image = ImageBuilder::new()
        .instruction("RUN printf 'extra:x:4242:someone,hermes\\nothers:x:4243:someone\\n' >>/etc/group")
        .build()
        .await?;
    let groups = image.container().run(["sh", "-c", "id -G; id -Gn"]).await?.success();
    groups.stdout_is("10000 4242\nhermes extra");
    Ok(())
}

#[docker_test]
async fn the_home_of_the_command_is_the_data_directory() -> Result<()> {
    // The operator mounts no volume there, and the directory is writable all the same.
    let script = "echo $HOME $HERMES_HOME; cd /; cd; pwd; echo text >~/written && cat ~/written";
    run(&["sh", "-c", script]).await?.success().stdout_is("/opt/data /opt/data\n/opt/data\ntext");
    Ok(())
}

#[docker_test]
async fn the_command_keeps_the_limits_and_umask_of_the_container() -> Result<()> {
    let container = || Container::builder().ulimit("nofile", 1024, 4096).ulimit("core", 0, 0);
    let script = "cat /proc/self/limits; umask; nice";
    let bypassed = container().entrypoint(["/bin/sh"]).run(["-c", script]).await?.success();
    let limits = container().run(["sh", "-c", script]).await?.success();
    limits.stdout_is(bypassed.stdout().trim_end_matches('\n'));
    Ok(())
}

#[docker_test]
async fn docker_exec_finds_hermes_and_the_s6_tools() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    for user in ["hermes", "root", "10000:10000"] {
        let found = container.exec(["sh", "-c", "command -v hermes"]).user(user).await?.success();
        found.stdout_is("/opt/hermes/bin/hermes");
        container.exec(["hermes", "--version"]).user(user).await?.success();
        let up =
            container.exec(["/command/s6-svstat", "-o", "up", "/run/service/main-hermes"]).user(user).await?;
        up.success().stdout_is("true");
    }
    Ok(())
}
