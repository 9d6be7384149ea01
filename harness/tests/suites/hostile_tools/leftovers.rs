//! Processes that a command leaves.

use anyhow::{Result, ensure};
use hermes_harness::probe::{Process, process_table};
use hermes_harness::{Container, Look, docker_test, secs};
use serde_json::json;

use crate::support::driving::ready_pid;

use super::scene::{ATTACKER, Scene, Surface, quoted};

/// Ways to leave a process. The word `MARK` is in its command line.
pub(super) const DAEMONS: [(&str, &str); 6] = [
    ("in the background", "sleep MARK & echo left"),
    ("without the streams", "nohup sleep MARK </dev/null >/dev/null 2>&1 & echo left"),
    ("in a session of its own", "setsid sleep MARK </dev/null >/dev/null 2>&1 & echo left"),
    (
        "by a double fork",
        "perl -e 'use POSIX; fork and exit; POSIX::setsid(); fork and exit; close $_ for *STDIN, *STDOUT, *STDERR; exec qw(sleep MARK)'; echo left",
    ),
    (
        "deaf to signals",
        "setsid bash -c 'trap \"\" TERM HUP INT QUIT; (sleep MARK & sleep MARK) & wait' </dev/null >/dev/null 2>&1 & disown -a; echo left",
    ),
    (
        "that begins itself again",
        "perl -e '$0 = q(MARK); close STDOUT; close STDERR; while (1) { exit if fork; select undef, undef, undef, 0.001 }' & echo left",
    ),
];

/// Returns the processes with this word in their command line.
async fn with_word(container: &Container, word: &str) -> hermes_harness::Result<Vec<Process>> {
    let mut processes = container.processes().await?;
    processes.retain(|process| process.argv.iter().any(|argument| argument.contains(word)));
    Ok(processes)
}

/// The processes of an attack, by their mark, and all supervisors of calls are gone.
async fn must_be_gone(scene: &Scene, mark: &str) -> Result<()> {
    let left =
        [with_word(&scene.container, mark).await?, with_word(&scene.container, "tool-run").await?].concat();
    ensure!(left.is_empty(), "these processes are left:\n{}", process_table(&left));
    Ok(())
}

#[docker_test]
async fn no_process_outlives_its_call() -> Result<()> {
    let scene = Scene::start().await?;
    for (number, (name, script)) in DAEMONS.into_iter().enumerate() {
        let mark = format!("86400.{number}5");
        let script = script.replace("MARK", &mark);
        for surface in [Surface::Chat, Surface::Gateway] {
            let result = scene.command(surface, ATTACKER, &script).await?;
            ensure!(result.contains("left") && result.contains("[exit code 0]"), "{name}: {result}");
            must_be_gone(&scene, &mark).await?;
        }
    }
    // Outside of the sandbox each process stays.
    for (number, (name, script)) in DAEMONS.into_iter().enumerate() {
        let mark = format!("86400.{number}5");
        scene
            .container
            .exec_sh(&format!("bash -c {} >/dev/null 2>&1", quoted(&script.replace("MARK", &mark))))
            .await?
            .success();
        let stays = async |container: &Container| {
            let left = with_word(container, &mark).await?;
            Ok(Look::holds(!left.is_empty(), || "nothing".to_owned()))
        };
        scene.container.wait_until(format!("a process {name} stays"), stays, secs(10)).await?;
    }
    Ok(())
}

#[docker_test]
async fn a_background_process_ends_with_its_agent() -> Result<()> {
    let scene = Scene::start().await?;
    let (chat, gateway) = ("86400.75", "86400.85");
    let background =
        |mark: &str| json!({ "command": format!("setsid sleep {mark} & sleep {mark}"), "background": true });
    let result = scene.call(Surface::Chat, ATTACKER, "terminal", background(chat)).await?;
    ensure!(result.contains("proc_1"), "{result}");
    must_be_gone(&scene, chat).await?;
    let result = scene.call(Surface::Gateway, ATTACKER, "terminal", background(gateway)).await?;
    ensure!(result.contains("proc_1"), "{result}");
    let runs = async |container: &Container| {
        let left = with_word(container, gateway).await?;
        Ok(Look::holds(left.len() >= 2, || process_table(&left)))
    };
    scene.container.wait_until("it runs on", runs, secs(10)).await?;
    // Even a gateway that is killed leaves none.
    let pid = ready_pid(&scene.container, ATTACKER).await?;
    scene.container.kill_process(pid, "KILL").await?;
    let gone = async |container: &Container| {
        let left = with_word(container, gateway).await?;
        Ok(Look::holds(left.is_empty(), || process_table(&left)))
    };
    scene.container.wait_until("it ended with its gateway", gone, secs(10)).await?;
    Ok(())
}
