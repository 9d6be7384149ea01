//! `cycle`: a container made, run to the end of `true` and removed, with the full boot and an orderly
//! stop. The reference starts `/bin/true` without the init.

use std::time::{Duration, Instant};

use anyhow::Result;
use hermes_harness::Container;

use super::Bed;
use super::pairs::in_turn;
use super::table::Row;

const ALLOWED_MS: f64 = 100.0;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let (measured, reference) =
        in_turn(bed.pairs, async || cycle(bed, false).await, async || cycle(bed, true).await).await?;
    Ok(vec![Row {
        name: "cycle",
        what: "create, run `true`, remove".into(),
        unit: "ms",
        measured,
        reference: Some(reference),
        rule: format!("reference + {ALLOWED_MS} ms"),
        target: reference.median + ALLOWED_MS,
    }])
}

async fn cycle(bed: &Bed, bypassed: bool) -> Result<f64> {
    let builder = Container::builder().docker(&bed.docker).image(&bed.image);
    let builder = if bypassed { builder.entrypoint(["/bin/true"]) } else { builder.cmd(["true"]) };
    let started = Instant::now();
    let container = builder.start().await?;
    let code = container.wait_exit(Duration::from_secs(60)).await?;
    container.remove().await?;
    anyhow::ensure!(code == 0, "the container ended with {code}");
    Ok(started.elapsed().as_secs_f64() * 1e3)
}
