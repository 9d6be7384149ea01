//! `to-command`: from the container's start to the first instruction of its command.
//!
//! The command is `date`, which prints its own time, and the start is the engine's `StartedAt`. Both
//! bring an error: `date` needs a moment until it looks at the clock, and the engine notes the start
//! only after the process runs. The reference has the same two errors and nothing else (`date` as the
//! entry point), so what the init takes is the difference, and the target is the reference + 50 ms.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use hermes_harness::{Container, ContainerBuilder};

use super::Bed;
use super::pairs::in_turn;
use super::table::Row;

const ALLOWED_MS: f64 = 50.0;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let (measured, reference) =
        in_turn(bed.pairs, async || delay(bed, false).await, async || delay(bed, true).await).await?;
    Ok(vec![Row {
        name: "to-command",
        what: "StartedAt to the command's first look at the clock".into(),
        unit: "ms",
        measured,
        reference: Some(reference),
        rule: format!("reference + {ALLOWED_MS} ms"),
        target: reference.median + ALLOWED_MS,
    }])
}

async fn delay(bed: &Bed, bypassed: bool) -> Result<f64> {
    until_its_command(Container::builder().docker(&bed.docker).image(&bed.image), bypassed).await
}

/// Milliseconds from the start of such a container to its command's look at the clock.
pub(super) async fn until_its_command(builder: ContainerBuilder, bypassed: bool) -> Result<f64> {
    let builder = if bypassed {
        builder.entrypoint(["/bin/date", "+%s.%N"])
    } else {
        builder.cmd(["/bin/date", "+%s.%N"])
    };
    let container = builder.start().await?;
    // Hundreds of gateways that just start take their time to end.
    container.wait_exit(Duration::from_secs(180)).await?;
    let (stdout, _) = container.logs().await?;
    let printed: f64 = stdout
        .lines()
        // Gateways that come up meanwhile print, too.
        .find_map(|line| line.trim().parse().ok())
        .with_context(|| {
            format!("the container printed no time: {:?}", stdout.get(..500).unwrap_or(&stdout))
        })?;
    let state = container.state().await?;
    let started = humantime::parse_rfc3339(&state.started_at)
        .with_context(|| format!("the engine gives no start time: {:?}", state.started_at))?;
    container.remove().await?;
    Ok((printed - since_epoch(started)) * 1e3)
}

fn since_epoch(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
