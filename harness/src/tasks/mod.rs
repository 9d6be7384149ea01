//! What `cargo xtask` does with a Docker client, one file per task.

mod clean_docker;
mod docker_test;
mod down;
mod image;
mod up;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bollard::Docker;
use clap::Subcommand;

/// One task.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    Up(up::Up),
    Down(down::Down),
    Image(image::Image),
    DockerTest(docker_test::DockerTest),
    CleanDocker(clean_docker::CleanDocker),
}

/// Runs a task to its end.
pub(crate) fn run(task: Task) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(async {
        match task {
            Task::Up(task) => task.run().await,
            Task::Down(task) => task.run().await,
            Task::Image(task) => task.run().await,
            Task::DockerTest(task) => task.run().await,
            Task::CleanDocker(task) => task.run().await,
        }
    })
}

/// The engine, or an error that says where it was looked for.
async fn connect() -> Result<Docker> {
    Ok(hermes_harness::connect().await?)
}

/// Removes what dead runs left, and says so when there was something.
async fn reap(docker: &Docker) -> Result<()> {
    let reaped = hermes_harness::reaper::reap(docker).await?;
    if !reaped.is_empty() {
        println!("{reaped}");
    }
    Ok(())
}

/// What the container of `up` and its volume are called.
const UP: &str = "hermes-up";
/// The label of both, by which `down` knows them.
const UP_LABEL: (&str, &str) = ("hermes.harness.role", "up");

/// Whether the engine said that there is no such thing.
fn is_missing(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })
}
