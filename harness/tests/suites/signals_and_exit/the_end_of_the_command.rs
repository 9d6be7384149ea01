//! The end of the command ends the container.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hermes_harness::probe::log_says;
use hermes_harness::{Container, Look, docker_test, secs};

use super::{WELL_INSIDE_DOCKERS_TEN_SECONDS, assert_order, timed_stop};
use crate::support::own_services::{FINISH, FINISHED, OwnServices, POLITE};

/// Returns true if `/init` adds little more than the delays of the engine and of a busy machine. Both values are the
/// shortest of several measurements in turn: `whole` with `/init`, `bypassed` without.
fn is_fast(whole: Duration, bypassed: Duration) -> bool {
    whole < bypassed * 2 + Duration::from_millis(900)
}

/// The number of measurements of each kind.
const TURNS: usize = 3;

#[docker_test]
#[case::success("exit 0", 0)]
#[case::failure("exit 42", 42)]
#[case::killed("kill -KILL $$", 137)]
async fn the_end_of_the_command_stops_the_services_first(
    #[case] end: &str,
    #[case] expected: i64,
) -> Result<()> {
    let builder = Container::builder().finish_script("50-tell", FINISH).user_service("polite", POLITE);
    let container = builder.cmd(["sh", "-c", &format!("until [ -e /tmp/go ]; do sleep 0.05; done; {end}")]);
    let container = container.start_ready().await?;
    container.wait_until("the service's trap is set", log_says("polite: up"), secs(10)).await?;
    container.exec(["touch", "/tmp/go"]).await?.success();
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == expected, "{end}: exit code {code}, expected {expected}:\n{log}");
    assert_order(&log, "polite: SIGTERM", FINISHED)
}

#[docker_test]
async fn a_container_ends_at_once_with_its_command() -> Result<()> {
    let [mut bypassed, mut whole] = [Duration::MAX; 2];
    for _ in 0..TURNS {
        let reference = Container::builder().entrypoint(["/bin/true"]).run(Vec::<String>::new()).await?;
        bypassed = bypassed.min(reference.success().took());
        whole = whole.min(Container::builder().run(["true"]).await?.success().took());
    }
    ensure!(is_fast(whole, bypassed), "boot, `true` and stop took {whole:?}; without /init {bypassed:?}");
    Ok(())
}

#[docker_test]
async fn an_idle_container_stops_at_once() -> Result<()> {
    let [mut bypassed, mut whole] = [Duration::MAX; 2];
    // `sleep` as PID 1 would ignore SIGTERM.
    let reference = Container::builder().entrypoint(["sleep", "infinity"]).init().start().await?;
    let container = Container::builder().user_service("polite", POLITE).cmd(["sleep", "infinity"]);
    let container = container.start().await?;
    for turn in 1..=TURNS {
        if turn > 1 {
            reference.start().await?;
            container.start().await?;
        }
        container.ready().await?;
        let up = async |container: &Container| {
            let (stdout, _) = container.logs().await?;
            Ok(Look::holds(stdout.matches("polite: up").count() == turn, || stdout))
        };
        container.wait_until("the service's trap is set", up, secs(10)).await?;
        bypassed = bypassed.min(timed_stop(&reference).await?);
        whole = whole.min(timed_stop(&container).await?);
    }
    ensure!(is_fast(whole, bypassed), "docker stop took {whole:?}; without /init {bypassed:?}");
    Ok(())
}

#[docker_test]
async fn orphans_of_the_command_get_sigterm_and_time_to_end() -> Result<()> {
    let orphan = "trap 'sleep 0.3; echo \"orphan: done\"; exit 0' TERM; echo 'orphan: up'; while :; do sleep 0.1; done";
    let command = format!(
        "setsid sh -c '{}' & until [ -e /tmp/go ]; do sleep 0.05; done; exit 4",
        orphan.replace('\'', r"'\''")
    );
    // If nobody noticed its end, the container would stay for twenty more seconds.
    let builder = Container::builder().env("S6_KILL_GRACETIME", "20000");
    let container = builder.cmd(["sh", "-c", &command]).start_ready().await?;
    container.wait_until("the orphan is up", log_says("orphan: up"), secs(10)).await?;
    container.exec(["touch", "/tmp/go"]).await?.success();
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 4, "exit code {code}, expected 4:\n{log}");
    ensure!(log.contains("orphan: done"), "the orphan was not waited for:\n{log}");
    Ok(())
}

#[docker_test]
async fn a_deaf_orphan_is_killed_after_the_command_ends() -> Result<()> {
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
        took > Duration::from_millis(400) && took < WELL_INSIDE_DOCKERS_TEN_SECONDS,
        "took {took:?}, with a grace time of 400 ms"
    );
    Ok(())
}
