//! `gateway run`: under supervision where there is one, in the foreground where that is asked for; one gateway in any case.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Process, process_table, slot_ready};
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::driving::{
    ACCOUNT, answers_at_both_doors, gateway_processes, hermes, look, must_be_down_for_good, only_gateway,
    ready_pid, slot, wanted_and_said,
};

/// What is said on stderr, loudly.
const SUPERVISED: &str = "runs under s6 supervision";

fn run(words: &str) -> ContainerBuilder {
    Container::builder().cmd(words.split(' '))
}

/// Both ways not to be supervised.
fn opt_outs() -> [(&'static str, ContainerBuilder); 2] {
    [
        ("--no-supervise", run("gateway run --no-supervise")),
        ("the variable", run("gateway run").env("HERMES_GATEWAY_NO_SUPERVISE", "1")),
    ]
}

/// The only gateway, which has to be s6's, in the slot of `profile`.
async fn one_supervised_gateway(container: &Container, profile: &str) -> Result<Process> {
    let name = format!("gateway-{profile}");
    container.wait_until(format!("{name} ready"), slot_ready(&name), secs(15)).await?;
    let gateway = only_gateway(container).await?;
    ensure!(gateway.pid == ready_pid(container, profile).await?, "not the slot's: {gateway:?}");
    let processes = container.processes().await?;
    let parent = processes.iter().find(|process| process.pid == gateway.ppid).context("it has a parent")?;
    ensure!(parent.argv == ["s6-supervise", &name], "its parent is {parent:?}");
    Ok(gateway)
}

/// The gateway that is the container's command, when it serves.
async fn the_command(container: &Container) -> Result<Process> {
    let serves = async |container: &Container| {
        let is_there = container.listens_on(8642).await?;
        Ok(Look::holds(is_there, || "nothing on port 8642".to_owned()))
    };
    container.wait_until("the gateway serves", serves, secs(15)).await?;
    let gateway = only_gateway(container).await?;
    let processes = container.processes().await?;
    let parent = processes.iter().find(|process| process.pid == gateway.ppid).context("it has a parent")?;
    ensure!(parent.argv.first().is_some_and(|program| program == "/init"), "its parent is {parent:?}");
    ensure!(gateway.user == "hermes", "{gateway:?}");
    answers_at_both_doors(container, "default", 8642).await?;
    Ok(gateway)
}

/// Waits until the command has said all of these on stderr: its gateway may serve before it says so.
async fn on_stderr(container: &Container, words: &[&str]) -> Result<()> {
    let said = async |container: &Container| {
        let (_, stderr) = container.logs().await?;
        Ok(Look::holds(words.iter().all(|word| stderr.contains(word)), || stderr))
    };
    Ok(container.wait_until(format!("{words:?} on stderr"), said, secs(10)).await?)
}

#[docker_test]
async fn the_default_gateway_is_supervised_and_the_container_stays_up_and_says_how_to_opt_out() -> Result<()>
{
    let container = run("gateway run").start_ready().await?;
    let first = one_supervised_gateway(&container, "default").await?;
    answers_at_both_doors(&container, "default", 8642).await?;
    on_stderr(&container, &[SUPERVISED, "--no-supervise", "HERMES_GATEWAY_NO_SUPERVISE"]).await?;
    // It is killed, and the container has another one: that is what supervision is for.
    container.kill_process(first.pid, "KILL").await?;
    let back = async |container: &Container| {
        let slot = slot(container, "default").await?;
        Ok(Look::holds(slot.ready && slot.pid != Some(first.pid), || slot.to_string()))
    };
    container.wait_until("another gateway", back, secs(15)).await?;
    one_supervised_gateway(&container, "default").await?;

    container.restart().await?;
    container.ready().await?;
    one_supervised_gateway(&container, "default").await?;
    let once_in_each_life = async |container: &Container| {
        let (_, stderr) = container.logs().await?;
        Ok(Look::holds(stderr.matches(SUPERVISED).count() == 2, || stderr))
    };
    container.wait_until("it says so in its second life, too", once_in_each_life, secs(10)).await?;

    container.stop().await?;
    // As of the `sleep infinity` that stays in its place.
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    ensure!(wanted_and_said(&container, "default").await? == ("running".into(), "running".into()));
    Ok(())
}

#[docker_test]
async fn whoever_opts_out_has_the_gateway_as_the_container_s_command() -> Result<()> {
    for (way, builder) in opt_outs() {
        let life = async {
            let container = builder.start_ready().await?;
            the_command(&container).await?;
            must_be_down_for_good(&container, "default").await?;
            ensure!(!container.log().await?.contains(SUPERVISED), "{}", container.log().await?);
            container.stop().await?;
            let code = container.wait_exit(secs(10)).await?;
            ensure!(code == 0, "exit code {code}:\n{}", container.log().await?);
            // The container went down, not the intent, which nobody has uttered.
            let left = wanted_and_said(&container, "default").await?;
            ensure!(left == ("-".into(), "running".into()), "{left:?}");
            ensure!(container.copy_out("/opt/data/gateway.pid").await?.is_none(), "gateway.pid is left");
            Ok(())
        };
        life.await.with_context(|| way.to_owned())?;
    }
    Ok(())
}

#[docker_test]
async fn whoever_opted_out_has_the_gateway_as_the_command_after_a_restart_too() -> Result<()> {
    for (way, builder) in opt_outs() {
        let life = async {
            let container = builder.start_ready().await?;
            let before = the_command(&container).await?;
            for kill in [false, true] {
                if kill {
                    container.kill("KILL").await?;
                    container.wait_exit(secs(10)).await?;
                    container.start().await?;
                } else {
                    container.restart().await?;
                }
                container.ready().await?;
                let after = the_command(&container).await?;
                ensure!(after.start_ticks > before.start_ticks, "{before:?}, then {after:?}");
                must_be_down_for_good(&container, "default").await?;
            }
            Ok(())
        };
        life.await.with_context(|| way.to_owned())?;
    }
    Ok(())
}

#[docker_test]
async fn a_start_beside_a_gateway_in_the_foreground_fails_soon_and_says_which_one_runs() -> Result<()> {
    let container = run("gateway run --no-supervise").start_ready().await?;
    let gateway = the_command(&container).await?;
    let failed = hermes(&container, "gateway start --timeout 8s").await?.failure();
    let said = format!("the gateway of 'default' runs in the foreground (PID {})", gateway.pid);
    failed.stderr_matches(contains(said).and(contains("\nhint: ")));
    ensure!(failed.took() < secs(5), "{}", failed.report("an answer that comes soon"));
    ensure!(the_command(&container).await?.pid == gateway.pid, "another one");
    Ok(())
}

#[docker_test]
async fn the_gateway_of_a_profile_runs_in_the_same_way() -> Result<()> {
    let container = run("-p coder gateway run")
        .directory("/opt/data/profiles", 0o755, ACCOUNT)
        .directory("/opt/data/profiles/coder", 0o755, ACCOUNT)
        .owned_file("/opt/data/profiles/coder/SOUL.md", 0o644, ACCOUNT, "You are a test.\n")
        .start_ready()
        .await?;
    one_supervised_gateway(&container, "coder").await?;
    must_be_down_for_good(&container, "default").await?;
    on_stderr(&container, &["'coder' runs under s6 supervision", "hermes -p coder gateway status"]).await?;
    ensure!(wanted_and_said(&container, "coder").await? == ("running".into(), "running".into()));
    Ok(())
}

#[docker_test]
async fn the_gateway_of_a_profile_that_is_not_there_ends_the_container_with_the_mend() -> Result<()> {
    let ended = Container::builder().run(["-p", "nosuch", "gateway", "run"]).await?.code(1);
    ended.stderr_matches(contains("no such gateway 'nosuch'").and(contains("hermes profile create nosuch")));
    Ok(())
}

#[docker_test]
async fn what_is_supervised_never_hands_itself_over_again() -> Result<()> {
    // Said for the whole container: the slot's own gateway must not take it for a word to itself.
    let container = run("sleep infinity").env("HERMES_GATEWAY_NO_SUPERVISE", "1").start_ready().await?;
    hermes(&container, "gateway start").await?.success();
    let gateway = one_supervised_gateway(&container, "default").await?;
    // As hermes: it is its own process, and root has not the capability to look into it.
    let environment =
        container.exec_sh(&format!("tr '\\0' '\\n' </proc/{}/environ", gateway.pid)).await?.success().text();
    ensure!(environment.lines().any(|line| line == "HERMES_S6_SUPERVISED_CHILD=1"), "{environment}");
    // With the mark it is the gateway itself, whoever calls: it finds that one runs, and does not become a sleep.
    let again = hermes(&container, "gateway run").env("HERMES_S6_SUPERVISED_CHILD", "1").await?.code(75);
    again.stderr_matches(
        contains(SUPERVISED).not().and(contains("another gateway of the profile 'default' runs")),
    );
    ensure!(only_gateway(&container).await?.pid == gateway.pid);
    Ok(())
}

#[docker_test]
async fn there_is_never_a_second_gateway_of_one_profile() -> Result<()> {
    let container = run("gateway run").start_ready().await?;
    let gateway = one_supervised_gateway(&container, "default").await?;

    // In the foreground it finds the one that runs.
    let refused = hermes(&container, "gateway run --no-supervise").await?.code(75);
    refused.stderr_matches(contains(format!("runs (PID {})", gateway.pid)).and(contains("hint: ")));
    for value in ["1", "true", "YES"] {
        let refused = hermes(&container, "gateway run").env("HERMES_GATEWAY_NO_SUPERVISE", value).await?;
        refused.code(75);
    }

    // Supervised it is the same gateway; the command stays, as it does for the container.
    let script = "hermes gateway run 2>/tmp/said & echo $!";
    let pid: u32 = container.exec_sh(script).await?.success().text().parse()?;
    let stays = async |container: &Container| {
        let processes = container.processes().await?;
        let sleeps =
            processes.iter().any(|process| process.pid == pid && process.argv == ["sleep", "infinity"]);
        Ok(Look::holds(sleeps, || process_table(&processes)))
    };
    container.wait_until("the command stays", stays, secs(10)).await?;
    ensure!(look(&container, "cat /tmp/said").await?.contains(SUPERVISED));
    ensure!(one_supervised_gateway(&container, "default").await?.pid == gateway.pid, "another one");
    // What becomes of the command is nothing to the gateway.
    container.kill_process(pid, "TERM").await?;
    ensure!(ready_pid(&container, "default").await? == gateway.pid);

    hermes(&container, "gateway stop").await?.success();
    ensure!(gateway_processes(&container).await?.is_empty(), "one is left");
    ensure!(container.state().await?.running, "a stopped gateway ended the container");
    Ok(())
}
