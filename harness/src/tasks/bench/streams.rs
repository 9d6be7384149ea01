//! `streams`: many streams through one gateway at one time, all of which must complete, and the memory that they need.
//!
//! The memory is read again and again while they run. The greatest figure counts.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use super::Bed;
use super::memory::Memory;
use super::served::{Served, question};
use super::table::Row;

const STREAMS: usize = 200;
const TARGET_MIB: f64 = 64.0;
/// The pieces of one stream, and the time between two of them.
const PIECES: usize = 100;
const PAUSE_MS: u64 = 20;
/// The time between two looks at the memory.
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let served = Served::start(bed).await?;
    served.answer(json!({"stamps": PIECES, "delay_ms": PAUSE_MS}))?;
    let mut peaks = Vec::new();
    // The first round warms up and is not counted.
    for round in 0..=bed.pairs {
        let peak = one_round(&served).await?;
        if round > 0 {
            peaks.push(peak);
        }
    }
    served.container.remove().await?;
    let what = format!("peak memory (PSS) of {STREAMS} streams at one time, all complete");
    Ok(vec![Row::fixed("streams", what, "MiB", peaks, TARGET_MIB)])
}

/// Runs all streams, and returns the peak of the memory meanwhile.
async fn one_round(served: &Served) -> Result<f64> {
    let mut streams = JoinSet::new();
    for number in 0..STREAMS {
        let gateway = served.gateway.clone();
        streams.spawn(async move { gateway.stream(&question(&format!("question {number}")), None).await });
    }
    let peak = Cell::new(0.0_f64);
    let watch = async {
        loop {
            let memory = Memory::of_slot(&served.container, "gateway-default").await?;
            peak.set(peak.get().max(memory.proportional));
            tokio::time::sleep(LOOK).await;
        }
    };
    let all = async {
        let mut complete = 0;
        while let Some(ended) = streams.join_next().await {
            let pieces = ended.context("a stream panicked")??;
            ensure!(pieces.len() == PIECES, "a stream has {} pieces instead of {PIECES}", pieces.len());
            complete += 1;
        }
        Ok(complete)
    };
    let complete: usize = tokio::select! {
        failed = watch => failed,
        complete = all => complete,
    }?;
    ensure!(complete == STREAMS, "{complete} of {STREAMS} streams ended");
    Ok(peak.get())
}
