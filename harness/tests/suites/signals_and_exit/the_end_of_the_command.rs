//! The command ends by itself, and the container with it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hermes_harness::probe::log_says;
use hermes_harness::{Container, docker_test, secs};

use super::{in_this_order, timed_stop};
use crate::own_services::{FINISH, FINISHED, OwnServices, POLITE};

/// What the engine's own noise may add to an orderly end; the shortest of three is compared.
const NOISE: Duration = Duration::from_millis(900);

#[docker_test]
async fn the_end_of_the_command_stops_the_services_in_order_and_keeps_its_exit_code() -> Result<()> {
    for (end, expected) in [("exit 0", 0), ("exit 42", 42), ("kill -KILL $$", 137)] {
        let builder = Container::builder().finish_script("50-tell", FINISH).user_service("polite", POLITE);
        let container =
            builder.cmd(["sh", "-c", &format!("until [ -e /tmp/go ]; do sleep 0.05; done; {end}")]);
        let container = container.start_ready().await?;
        container.wait_until("the service's trap is set", log_says("polite: up"), secs(10)).await?;
        container.exec(["touch", "/tmp/go"]).await?.success();
        let code = container.wait_exit(secs(10)).await?;
        let log = container.log().await?;
        ensure!(code == expected, "{end}: exit code {code}, expected {expected}:\n{log}");
        in_this_order(&log, "polite: SIGTERM", FINISHED)?;
    }
    Ok(())
}

/// How long a container lives whose command ends at once, the shortest of three.
async fn life(bypassed: bool) -> Result<Duration> {
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        let builder = match bypassed {
            true => Container::builder().entrypoint(["/bin/true"]),
            false => Container::builder(),
        };
        let arguments: &[&str] = if bypassed { &[] } else { &["true"] };
        shortest = shortest.min(builder.run(arguments.iter().copied()).await?.success().took());
    }
    Ok(shortest)
}

#[docker_test]
async fn a_container_is_gone_as_soon_as_its_command_is() -> Result<()> {
    let (bypassed, whole) = (life(true).await?, life(false).await?);
    ensure!(whole < bypassed + NOISE, "boot, `true` and stop took {whole:?}; without /init {bypassed:?}");
    Ok(())
}

#[docker_test]
async fn an_idle_container_stops_at_once() -> Result<()> {
    let mut shortest = [Duration::MAX; 2];
    for _ in 0..3 {
        // `sleep` as PID 1 would not hear SIGTERM.
        let reference = Container::builder().entrypoint(["sleep", "infinity"]).init().start().await?;
        let container = Container::builder().user_service("polite", POLITE).cmd(["sleep", "infinity"]);
        let container = container.start_ready().await?;
        container.wait_until("the service's trap is set", log_says("polite: up"), secs(10)).await?;
        for (shortest, container) in shortest.iter_mut().zip([reference, container]) {
            *shortest = timed_stop(&container).await?.min(*shortest);
        }
    }
    let [bypassed, whole] = shortest;
    ensure!(whole < bypassed + NOISE, "docker stop took {whole:?}; without /init {bypassed:?}");
    Ok(())
}

#[docker_test]
async fn what_the_command_left_running_gets_sigterm_and_is_waited_for() -> Result<()> {
    let orphan = "trap 'sleep 0.3; echo \"orphan: done\"; exit 0' TERM; echo 'orphan: up'; while :; do sleep 0.1; done";
    let command = format!(
        "setsid sh -c '{}' & until [ -e /tmp/go ]; do sleep 0.05; done; exit 4",
        orphan.replace('\'', r"'\''")
    );
    let container = Container::builder().cmd(["sh", "-c", &command]).start_ready().await?;
    container.wait_until("the orphan is up", log_says("orphan: up"), secs(10)).await?;
    let started = Instant::now();
    container.exec(["touch", "/tmp/go"]).await?.success();
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 4, "exit code {code}, expected 4:\n{log}");
    ensure!(log.contains("orphan: done"), "the orphan was not waited for:\n{log}");
    ensure!(started.elapsed() < secs(3), "took {:?}, though the orphan obeyed", started.elapsed());
    Ok(())
}

#[docker_test]
async fn what_ignores_sigterm_is_killed_when_the_command_has_ended() -> Result<()> {
    let command = "setsid sh -c 'trap \"\" TERM; echo deaf: up; exec sleep infinity' &
        until [ -e /tmp/go ]; do sleep 0.05; done; exit 4";
    let builder = Container::builder().env("S6_KILL_GRACETIME", "400").finish_script("50-tell", FINISH);
    let container = builder.cmd(["sh", "-c", command]).start_ready().await?;
    container.wait_until("the orphan is up", log_says("deaf: up"), secs(10)).await?;
    let started = Instant::now();
    container.exec(["touch", "/tmp/go"]).await?.success();
    let code = container.wait_exit(secs(10)).await?;
    let took = started.elapsed();
    let log = container.log().await?;
    ensure!(code == 4, "exit code {code}, expected 4:\n{log}");
    ensure!(log.contains(FINISHED), "cont-finish.d did not run:\n{log}");
    ensure!(
        took > Duration::from_millis(400) && took < secs(3),
        "took {took:?}, with a grace time of 400 ms"
    );
    Ok(())
}
