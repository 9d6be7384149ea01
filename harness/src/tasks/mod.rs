//! What `cargo xtask` does with a Docker client, one file per task.

mod image;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bollard::Docker;
use clap::Subcommand;

/// One task.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    Image(image::Image),
}

/// Runs a task to its end, or until Ctrl-C.
pub(crate) fn run(task: Task) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(async {
        match task {
            Task::Image(image) => image.run().await,
        }
    })
}

/// The engine that `DOCKER_HOST` names, or the local one.
async fn connect() -> Result<Docker> {
    Docker::connect_with_defaults()
        .context("failed to find Docker")?
        .negotiate_version()
        .await
        .context("failed to reach the Docker engine; is it running, and may this user talk to it?")
}
