//! `cli`: how long `hermes --version` takes, and how much memory it needs at its peak.
//!
//! Both are measured inside a container, as `hermes`. The time is that of many runs in a loop of the
//! shell, so that the exec into the container does not count; the reference is `/bin/true` in the
//! same loop.

use anyhow::{Context as _, Result};
use hermes_harness::Container;

use super::Bed;
use super::pairs::in_turn;
use super::table::Row;

const TARGET_MS: f64 = 3.0;
const TARGET_MIB: f64 = 8.0;
/// Runs in one loop.
const RUNS: u32 = 100;

/// Prints the nanoseconds that the runs took together.
const LOOP: &str = r#"runs=$1; shift
before=$(date +%s%N); i=0
while [ "$i" -lt "$runs" ]; do "$@" > /dev/null || exit; i=$((i+1)); done
after=$(date +%s%N); echo $((after - before))"#;

/// Writes to a pipe that is full already: so the program stands still in its first write, its work
/// behind it, and its peak can be read. Prints it in KiB.
const PEAK: &str = r#"pipe=$(mktemp -u); mkfifo "$pipe"; exec 3<> "$pipe"; rm "$pipe"
head -c 65536 /dev/zero >&3
hermes --version >&3 & pid=$!
until grep -q pipe "/proc/$pid/wchan" || grep -q '^State:.S' "/proc/$pid/status"; do :; done
while read -r key value unit; do [ "$key" = VmHWM: ] && echo "$value"; done < "/proc/$pid/status"
kill "$pid""#;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let container = Container::builder().docker(&bed.docker).image(&bed.image).start_ready().await?;
    let (measured, reference) = in_turn(
        bed.pairs,
        async || one_run(&container, RUNS, &["hermes", "--version"]).await,
        async || one_run(&container, RUNS, &["/bin/true"]).await,
    )
    .await?;
    let mut peaks = Vec::new();
    for _ in 0..bed.pairs {
        let printed = container.exec(["sh", "-c", PEAK]).await?.success();
        let kib: f64 = printed.stdout().trim().parse().context("no peak was printed")?;
        peaks.push(kib / 1024.0);
    }
    container.remove().await?;
    Ok(vec![
        Row {
            name: "cli",
            what: "`hermes --version` (reference: `true`)".into(),
            unit: "ms",
            measured,
            reference: Some(reference),
            rule: "fixed".into(),
            target: TARGET_MS,
        },
        Row::fixed("cli", "its peak memory", "MiB", peaks, TARGET_MIB),
    ])
}

/// Returns the milliseconds of one run of a command, from a loop of so many runs.
pub(super) async fn one_run(container: &Container, runs: u32, command: &[&str]) -> Result<f64> {
    let count = runs.to_string();
    let script = ["sh", "-c", LOOP, "sh", &count];
    let printed = container.exec(script.iter().chain(command).copied()).await?.success();
    let nanoseconds: f64 = printed.stdout().trim().parse().context("no time was printed")?;
    Ok(nanoseconds / 1e6 / f64::from(runs))
}
