//! The memory of a gateway whose server sends more than it should.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::Container;

/// The growth that the largest answer may cause, in KiB. A line of 4 MiB is there a few times: read, parsed, and as a text.
const GROWTH: u64 = 64 * 1024;

/// Returns the resident memory of a process at its peak, in KiB.
pub(super) async fn peak(container: &Container, pid: u32) -> Result<u64> {
    let script = format!("grep VmHWM /proc/{pid}/status");
    let status = container.exec_sh(&script).as_root().await?.success().stdout();
    let number = status.split_ascii_whitespace().nth(1).and_then(|number| number.parse().ok());
    number.with_context(|| status.clone())
}

/// The memory of the gateway did not grow with the data of a server.
pub(super) async fn must_be_bounded(container: &Container, pid: u32, before: u64) -> Result<()> {
    let after = peak(container, pid).await?;
    ensure!(after < before + GROWTH, "{before} KiB, then {after} KiB");
    Ok(())
}
