//! The end of a container and its next start: signals, `docker stop`, the end of the command, restarts, and faults.

mod faults;
mod restarts;
mod stop;
mod the_end_of_the_command;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hermes_harness::Container;

/// Docker kills after ten seconds. A shorter stop is the container's own, and this limit leaves a margin.
const WELL_INSIDE_DOCKERS_TEN_SECONDS: Duration = Duration::from_secs(8);

/// A command that prints the signals it gets, and ends with its own code at the first.
const TELLS_SIGNALS: &str =
    "for s in TERM INT HUP QUIT USR1; do trap \"echo got $s; kill \\$child; exit 7\" $s; done
    sleep infinity & child=$!; echo trapped; wait";

/// Stops the container as `docker stop` does, and returns the time that it took.
async fn timed_stop(container: &Container) -> Result<Duration> {
    let started = Instant::now();
    container.stop().await?;
    Ok(started.elapsed())
}

/// Fails unless `log` contains `first`, and `second` after it.
fn assert_order(log: &str, first: &str, second: &str) -> Result<()> {
    let behind = log.split_once(first).map(|(_, behind)| behind);
    ensure!(
        behind.is_some_and(|behind| behind.contains(second)),
        "not {first:?}, then {second:?}, in:\n{log}"
    );
    Ok(())
}
