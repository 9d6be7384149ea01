//! How a container ends, and that it comes back: signals, `docker stop`, the end of the command, restarts, and what goes
//! wrong in between.

mod faults;
mod restarts;
mod stop;
mod the_end_of_the_command;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hermes_harness::Container;

/// Docker kills after ten seconds: what takes less was the container's own end, with this much to spare.
const WELL_INSIDE_DOCKERS_TEN_SECONDS: Duration = Duration::from_secs(8);

/// A command that tells which signals it gets, and ends with its own code at the first.
const TELLS_SIGNALS: &str =
    "for s in TERM INT HUP QUIT USR1; do trap \"echo got $s; kill \\$child; exit 7\" $s; done
    sleep infinity & child=$!; echo trapped; wait";

/// Stops the container as `docker stop` does; how long that took.
async fn timed_stop(container: &Container) -> Result<Duration> {
    let started = Instant::now();
    container.stop().await?;
    Ok(started.elapsed())
}

/// `first` stands in `log`, and `second` behind it.
fn in_this_order(log: &str, first: &str, second: &str) -> Result<()> {
    let behind = log.split_once(first).map(|(_, behind)| behind);
    ensure!(
        behind.is_some_and(|behind| behind.contains(second)),
        "not {first:?}, then {second:?}, in:\n{log}"
    );
    Ok(())
}
