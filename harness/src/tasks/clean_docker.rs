//! `cargo xtask clean-docker`: removes what earlier runs left, by label.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use hermes_harness::reaper::reap_all;

/// Remove what earlier runs left in the engine, and only that
///
/// That is what carries the harness's labels and belongs to no living process, what HERMES_KEEP=1
/// kept included. Images and the container of `up` stay.
#[derive(Debug, Args)]
pub(crate) struct CleanDocker {}

impl CleanDocker {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let docker = super::connect().await?;
        let reaped = reap_all(&docker).await?;
        println!("{reaped}");
        Ok(if reaped.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
