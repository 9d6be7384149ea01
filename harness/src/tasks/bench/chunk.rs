//! `chunk`: the delay of a piece of a stream, through the gateway and directly.
//!
//! The stand-in runs in this process. It writes the time of its sending into each piece, on the clock of the client. A
//! figure is the median of one stream. The row also shows the 99th percentile of all pieces.

use std::cell::RefCell;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::Bed;
use super::client::Client;
use super::pairs::{Series, in_turn, quantile};
use super::served::{Served, question};
use super::table::Row;

const ALLOWED_US: f64 = 1_000.0;
/// The pieces of one stream.
const PIECES: usize = 200;
/// The time between two of them. A model that is quick sends a token in this time.
const PAUSE_MS: u64 = 5;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let served = Served::start(bed).await?;
    served.answer(json!({"stamps": PIECES, "delay_ms": PAUSE_MS}))?;
    let (through, directly) = (RefCell::default(), RefCell::default());
    let (measured, reference) = in_turn(
        bed.pairs,
        async || one_stream(&served.gateway, &through).await,
        async || one_stream(&served.direct, &directly).await,
    )
    .await?;
    served.container.remove().await?;
    let p99 = |all: RefCell<Vec<f64>>| {
        let mut all = all.into_inner();
        all.sort_by(f64::total_cmp);
        quantile(&all, 0.99)
    };
    Ok(vec![Row {
        name: "chunk",
        what: format!("delay of a chunk (p99: {:.0} µs, directly {:.0} µs)", p99(through), p99(directly)),
        unit: "µs",
        measured,
        reference: Some(reference),
        rule: format!("directly + {ALLOWED_US} µs"),
        target: reference.median + ALLOWED_US,
    }])
}

/// Returns the median delay of the pieces of a stream in microseconds, and adds all of them to `all`.
async fn one_stream(client: &Client, all: &RefCell<Vec<f64>>) -> Result<f64> {
    let pieces = client.stream(&question("hi"), None).await?;
    ensure!(pieces.len() == PIECES, "{} pieces came instead of {PIECES}", pieces.len());
    let delays = pieces.iter().map(|piece| {
        let sent: u64 = piece.text.parse().with_context(|| format!("no stamp: {:?}", piece.text))?;
        Ok(piece.at.saturating_sub(sent) as f64 / 1e3)
    });
    let delays: Vec<f64> = delays.collect::<Result<_>>()?;
    all.borrow_mut().extend_from_slice(&delays);
    Ok(Series::of(delays).median)
}
