//! Commands that take all they can get: processes, output, files.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::docker_test;
use serde_json::json;

use crate::support::driving::{hermes, ready_pid};

use super::scene::{ATTACKER, Scene, Surface};

/// The resident memory of a process at its peak, in KiB.
async fn peak(scene: &Scene, pid: u32) -> Result<u64> {
    let status = scene
        .container
        .exec_sh(&format!("grep VmHWM /proc/{pid}/status"))
        .as_root()
        .await?
        .success()
        .stdout();
    status
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .with_context(|| status.clone())
}

#[docker_test]
async fn many_processes_end_with_their_call() -> Result<()> {
    let scene = Scene::start().await?;
    let pid = ready_pid(&scene.container, ATTACKER).await?;
    // Ten forks, and three doublings of each, in sessions of their own. The kernel counts an account's processes in all containers. So an
    // endless bomb would take those of the tests beside this one; the tests of `tool_run` have it.
    let bomb = "perl -e 'use POSIX; $SIG{$_} = q(IGNORE) for qw(TERM HUP CHLD); $0 = q(the-bomb); \
                for (1..10) { last unless fork } POSIX::setsid(); fork for 1..3; POSIX::setsid(); sleep 1 while 1'";
    for surface in [Surface::Chat, Surface::Gateway] {
        let turn = scene.call(surface, ATTACKER, "terminal", json!({ "command": bomb, "timeout": 2 }));
        let (result, during) = tokio::join!(turn, async { hermes(&scene.container, "gateway list").await });
        let result = result?;
        ensure!(result.contains("time limit of 2 s"), "{result}");
        during?.success();
        let bombs = scene.container.processes().await?;
        ensure!(!bombs.iter().any(|process| process.comm == "the-bomb"), "it is left");
    }
    ensure!(ready_pid(&scene.container, ATTACKER).await? == pid, "the gateway is another process");
    hermes(&scene.container, "health").await?.success();
    let result = scene.command(Surface::Gateway, ATTACKER, "echo $((6 * 7))").await?;
    ensure!(result.contains("42"), "{result}");
    Ok(())
}

#[docker_test]
async fn a_gigabyte_of_output_stays_small() -> Result<()> {
    let scene = Scene::start().await?;
    let pid = ready_pid(&scene.container, ATTACKER).await?;
    scene.command(Surface::Gateway, ATTACKER, "echo first").await?;
    let before = peak(&scene, pid).await?;
    let lines = "head -c 1G /dev/zero | tr '\\0' x | fold -w 200; echo the end";
    let one_line = "head -c 1G /dev/zero; echo the end";
    for script in [lines, one_line] {
        let result = scene.command(Surface::Gateway, ATTACKER, script).await?;
        ensure!(result.len() < 60_000, "{} bytes", result.len());
        ensure!(result.contains("the end") && result.contains("bytes are left out"), "{result}");
    }
    let after = peak(&scene, pid).await?;
    ensure!(after < before + 8 * 1024, "{before} KiB, then {after} KiB");
    let kept = scene
        .container
        .exec_sh("du -sm /opt/data/profiles/coder/tool-output | cut -f1")
        .await?
        .success()
        .text();
    ensure!(kept.parse::<u32>()? <= 130, "{kept} MiB are kept");
    Ok(())
}

#[docker_test]
async fn a_file_does_not_fill_the_volume() -> Result<()> {
    let scene = Scene::start().await?;
    let script = "truncate -s 3G fits && echo fits; ulimit -f unlimited; truncate -s 5G large && echo grew; ls -s large 2>&1; rm -f fits large";
    for surface in [Surface::Chat, Surface::Gateway] {
        let result = scene.command(surface, ATTACKER, script).await?;
        ensure!(result.contains("fits") && result.contains("File size limit exceeded"), "{result}");
        ensure!(!result.contains("grew") && result.contains("cannot modify limit"), "{result}");
    }
    scene.container.exec_sh("cd /tmp && truncate -s 5G large && rm large").await?.success();
    Ok(())
}
