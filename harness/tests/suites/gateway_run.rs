//! `gateway run`: a supervised gateway by default, a gateway in the foreground on request, and never two gateways of one
//! profile.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Process, process_table, slot_ready};
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::driving::{
    ACCOUNT, answers_at_both_doors, gateway_processes, hermes, look, must_be_down_for_good, only_gateway,
    ready_pid, slot, wanted_and_said,
};

/// The words of the notice on stderr.
const SUPERVISED: &str = "runs under s6 supervision";

fn command(words: &str) -> ContainerBuilder {
    Container::builder().cmd(words.split(' '))
}

/// Returns the only gateway. Checks that s6 supervises it in the slot of `profile`.
async fn only_supervised_gateway(container: &Container, profile: &str) -> Result<Process> {
    let name = format!("gateway-{profile}");
    container.wait_until(format!("{name} ready"), slot_ready(&name), secs(15)).await?;
    let gateway = only_gateway(container).await?;
    ensure!(gateway.pid == ready_pid(container, profile).await?, "not the slot's: {gateway:?}");
    let processes = container.processes().await?;
    let parent = processes.iter().find(|process| process.pid == gateway.ppid).context("it has a parent")?;
    ensure!(parent.argv == ["s6-supervise", &name], "its parent is {parent:?}");
    Ok(gateway)
}

/// Waits until the gateway that is the container's command serves, and returns it.
async fn foreground_gateway(container: &Container) -> Result<Process> {
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

/// Waits until stderr has all of these words. The gateway may serve before the command prints them.
async fn wait_for_stderr(container: &Container, words: &[&str]) -> Result<()> {
    let said = async |container: &Container| {
        let (_, stderr) = container.logs().await?;
        Ok(Look::holds(words.iter().all(|word| stderr.contains(word)), || stderr))
    };
    Ok(container.wait_until(format!("{words:?} on stderr"), said, secs(10)).await?)
}

#[docker_test]
async fn the_default_gateway_is_supervised_with_a_notice() -> Result<()> {
    let container = command("gateway run").start_ready().await?;
    let first = only_supervised_gateway(&container, "default").await?;
    answers_at_both_doors(&container, "default", 8642).await?;
    wait_for_stderr(&container, &[SUPERVISED, "--no-supervise", "HERMES_GATEWAY_NO_SUPERVISE"]).await?;
    // Supervision replaces a killed gateway.
    container.kill_process(first.pid, "KILL").await?;
    let back = async |container: &Container| {
        let slot = slot(container, "default").await?;
        Ok(Look::holds(slot.ready && slot.pid != Some(first.pid), || slot.to_string()))
    };
    container.wait_until("another gateway", back, secs(15)).await?;
    only_supervised_gateway(&container, "default").await?;

    container.restart().await?;
    container.ready().await?;
    only_supervised_gateway(&container, "default").await?;
    let once_in_each_life = async |container: &Container| {
        let (_, stderr) = container.logs().await?;
        Ok(Look::holds(stderr.matches(SUPERVISED).count() == 2, || stderr))
    };
    container.wait_until("it says so in its second life, too", once_in_each_life, secs(10)).await?;

    container.stop().await?;
    // The exit code of `sleep infinity`, which stays as the command.
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    ensure!(wanted_and_said(&container, "default").await? == ("running".into(), "running".into()));
    Ok(())
}

#[docker_test]
#[case::option(command("gateway run --no-supervise"))]
#[case::variable(command("gateway run").env("HERMES_GATEWAY_NO_SUPERVISE", "1"))]
async fn an_opt_out_makes_the_gateway_the_containers_command(
    #[case] builder: ContainerBuilder,
) -> Result<()> {
    let container = builder.start_ready().await?;
    foreground_gateway(&container).await?;
    must_be_down_for_good(&container, "default").await?;
    ensure!(!container.log().await?.contains(SUPERVISED), "{}", container.log().await?);
    container.stop().await?;
    let code = container.wait_exit(secs(10)).await?;
    ensure!(code == 0, "exit code {code}:\n{}", container.log().await?);
    // The end of the container records no desired state.
    let left = wanted_and_said(&container, "default").await?;
    ensure!(left == ("-".into(), "running".into()), "{left:?}");
    ensure!(container.copy_out("/opt/data/gateway.pid").await?.is_none(), "gateway.pid is left");
    Ok(())
}

#[docker_test]
#[case::option(command("gateway run --no-supervise"))]
#[case::variable(command("gateway run").env("HERMES_GATEWAY_NO_SUPERVISE", "1"))]
async fn an_opt_out_lasts_over_restarts(#[case] builder: ContainerBuilder) -> Result<()> {
    let container = builder.start_ready().await?;
    let before = foreground_gateway(&container).await?;
    for kill in [false, true] {
        if kill {
            container.kill("KILL").await?;
            container.wait_exit(secs(10)).await?;
            container.start().await?;
        } else {
            container.restart().await?;
        }
        container.ready().await?;
        let after = foreground_gateway(&container).await?;
        ensure!(after.start_ticks > before.start_ticks, "{before:?}, then {after:?}");
        must_be_down_for_good(&container, "default").await?;
    }
    Ok(())
}

#[docker_test]
async fn a_start_beside_a_foreground_gateway_fails_and_names_it() -> Result<()> {
    let container = command("gateway run --no-supervise").start_ready().await?;
    let gateway = foreground_gateway(&container).await?;
    let failed = hermes(&container, "gateway start --timeout 8s").await?.failure();
    let said = format!("the gateway of 'default' runs in the foreground (PID {})", gateway.pid);
    failed.stderr_matches(contains(said).and(contains("\nhint: ")));
    ensure!(failed.took() < secs(5), "{}", failed.report("an answer that comes soon"));
    ensure!(foreground_gateway(&container).await?.pid == gateway.pid, "another one");
    Ok(())
}

#[docker_test]
async fn the_gateway_of_a_named_profile_is_supervised() -> Result<()> {
    let container = command("-p coder gateway run")
        .directory("/opt/data/profiles", 0o755, ACCOUNT)
        .directory("/opt/data/profiles/coder", 0o755, ACCOUNT)
        .owned_file("/opt/data/profiles/coder/SOUL.md", 0o644, ACCOUNT, "You are a test.\n")
        .start_ready()
        .await?;
    only_supervised_gateway(&container, "coder").await?;
    must_be_down_for_good(&container, "default").await?;
    wait_for_stderr(&container, &["'coder' runs under s6 supervision", "hermes -p coder gateway status"])
        .await?;
    ensure!(wanted_and_said(&container, "coder").await? == ("running".into(), "running".into()));
    Ok(())
}

#[docker_test]
async fn an_unknown_profile_ends_the_container_with_a_hint() -> Result<()> {
    let ended = Container::builder().run(["-p", "nosuch", "gateway", "run"]).await?.code(1);
    ended.stderr_matches(contains("no such gateway 'nosuch'").and(contains("hermes profile create nosuch")));
    Ok(())
}

#[docker_test]
async fn a_supervised_gateway_is_not_handed_over_again() -> Result<()> {
    // The variable holds for the whole container. The gateway of the slot must ignore it.
    let container = command("sleep infinity").env("HERMES_GATEWAY_NO_SUPERVISE", "1").start_ready().await?;
    hermes(&container, "gateway start").await?.success();
    let gateway = only_supervised_gateway(&container, "default").await?;
    // A command with this variable acts as the gateway itself: it finds the running gateway, and does not sleep.
    let again = hermes(&container, "gateway run").env("HERMES_S6_SUPERVISED_CHILD", "1").await?.code(75);
    again.stderr_matches(
        contains(SUPERVISED).not().and(contains("another gateway of the profile 'default' runs")),
    );
    ensure!(only_gateway(&container).await?.pid == gateway.pid);
    Ok(())
}

#[docker_test]
async fn there_is_never_a_second_gateway_of_one_profile() -> Result<()> {
    let container = command("gateway run").start_ready().await?;
    let gateway = only_supervised_gateway(&container, "default").await?;

    // A gateway in the foreground finds the running gateway.
    let refused = hermes(&container, "gateway run --no-supervise").await?.code(75);
    refused.stderr_matches(contains(format!("runs (PID {})", gateway.pid)).and(contains("hint: ")));
    for value in ["1", "true", "YES"] {
        let refused = hermes(&container, "gateway run").env("HERMES_GATEWAY_NO_SUPERVISE", value).await?;
        refused.code(75);
    }

    // A supervised run finds the same gateway, and the command stays.
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
    ensure!(only_supervised_gateway(&container, "default").await?.pid == gateway.pid, "another one");
    // The end of the command does not end the gateway.
    container.kill_process(pid, "TERM").await?;
    ensure!(ready_pid(&container, "default").await? == gateway.pid);

    hermes(&container, "gateway stop").await?.success();
    ensure!(gateway_processes(&container).await?.is_empty(), "one is left");
    ensure!(container.state().await?.running, "a stopped gateway ended the container");
    Ok(())
}
