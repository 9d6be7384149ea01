//! `restart`: `docker restart` until every gateway that was up is ready again.
//!
//! The reference is the restart of the same image with its init bypassed: `sleep` under the engine's own.

use std::time::Instant;

use anyhow::Result;
use hermes_harness::{Container, Volume, secs};

use super::Bed;
use super::pairs::in_turn;
use super::profiles::plant;
use super::table::Row;

const PROFILES: usize = 10;
const ALLOWED_MS: f64 = 600.0;

/// Ends when all of them are ready: their slots may not be supervised yet when it begins.
const UNTIL_READY: &str =
    "until /command/s6-svwait -U -t 10000 $(seq -f /run/service/gateway-p%g \"$1\") 2>/dev/null
do :; done";

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let volume = Volume::new().await?;
    let builder = || Container::builder().docker(&bed.docker).image(&bed.image).tmpfs("/run", "exec");
    let container = builder().volume(&volume, "/opt/data").start_ready().await?;
    plant(&container, PROFILES, PROFILES).await?;
    let bypassed = builder().init().entrypoint(["sleep", "infinity"]).start().await?;
    let (measured, reference) = in_turn(
        bed.pairs,
        async || {
            let started = Instant::now();
            container.restart().await?;
            let count = PROFILES.to_string();
            container.exec(["sh", "-c", UNTIL_READY, "sh", &count]).deadline(secs(60)).await?.success();
            Ok(started.elapsed().as_secs_f64() * 1e3)
        },
        async || {
            let started = Instant::now();
            bypassed.restart().await?;
            bypassed.exec(["true"]).await?.success();
            Ok(started.elapsed().as_secs_f64() * 1e3)
        },
    )
    .await?;
    container.remove().await?;
    bypassed.remove().await?;
    Ok(vec![Row {
        name: "restart",
        what: format!("restart until {PROFILES} gateways are ready"),
        unit: "ms",
        measured,
        reference: Some(reference),
        rule: format!("reference + {ALLOWED_MS} ms"),
        target: reference.median + ALLOWED_MS,
    }])
}
