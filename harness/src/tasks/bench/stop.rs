//! `stop`: how long `docker stop` takes on an idle container that has booted.
//!
//! The reference is `sleep` under the engine's own minimal init: as PID 1 itself it would not end of
//! SIGTERM at all.

use std::time::Instant;

use anyhow::Result;
use hermes_harness::Container;

use super::Bed;
use super::pairs::in_turn;
use super::profiles::plant;
use super::table::Row;

const ALLOWED_MS: f64 = 150.0;

/// Beside the default profile's.
const GATEWAYS: usize = 2;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let (measured, reference) =
        in_turn(bed.pairs, async || stop(bed, false).await, async || stop(bed, true).await).await?;
    Ok(vec![Row {
        name: "stop",
        what: format!("stop an idle container with {} gateways", GATEWAYS + 1),
        unit: "ms",
        measured,
        reference: Some(reference),
        rule: format!("reference + {ALLOWED_MS} ms"),
        target: reference.median + ALLOWED_MS,
    }])
}

async fn stop(bed: &Bed, bypassed: bool) -> Result<f64> {
    let builder = Container::builder().docker(&bed.docker).image(&bed.image);
    let container = if bypassed {
        let container = builder.init().entrypoint(["sleep", "infinity"]).start().await?;
        // Its init may not have come to `sleep` yet, and a signal would meet nobody.
        container.exec_sh("until grep -qs sleep /proc/[0-9]*/comm; do :; done").await?.success();
        container
    } else {
        let container = builder.start_ready().await?;
        plant(&container, GATEWAYS, 0).await?;
        container.exec(["hermes", "gateway", "start", "--all"]).await?.success();
        container
    };
    let started = Instant::now();
    container.stop().await?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    container.remove().await?;
    Ok(took)
}
