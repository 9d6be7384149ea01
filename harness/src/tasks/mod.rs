//! The tasks of `cargo xtask` that need a Docker client, one file per task.

mod bench;
mod clean_docker;
mod docker_test;
mod down;
mod image;
mod model_server;
mod up;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use clap::Subcommand;
use hermes_harness::image::{BuildOptions, Progress, Recipe, build};

/// One task.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    Up(up::Up),
    Down(down::Down),
    Image(image::Image),
    DockerTest(docker_test::DockerTest),
    Bench(bench::Bench),
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
            // It follows a child that gets Ctrl-C, too, and ends in its own way.
            Task::DockerTest(task) => task.run().await,
            Task::Up(task) => or_interrupted(task.run()).await,
            Task::Down(task) => or_interrupted(task.run()).await,
            Task::Image(task) => or_interrupted(task.run()).await,
            Task::Bench(task) => or_interrupted(task.run()).await,
            Task::CleanDocker(task) => or_interrupted(task.run()).await,
        }
    })
}

/// Ctrl-C drops the task, and with it what it holds: children are killed, containers removed.
async fn or_interrupted(task: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::select! {
        ended = task => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("failed to listen for Ctrl-C")?;
            eprintln!("interrupted");
            Ok(ExitCode::from(130))
        }
    }
}

/// The engine, or an error that says where it was looked for.
async fn connect() -> Result<Docker> {
    Ok(hermes_harness::connect().await?)
}

/// The variable that names the image under test.
const IMAGE_VARIABLE: &str = "HERMES_TEST_IMAGE";

/// The ID of the image that is named (by an argument, else by the variable), which has to be there;
/// or of one that is built now.
async fn image_under_test(docker: &Docker, argument: Option<&str>) -> Result<String> {
    let variable = std::env::var(IMAGE_VARIABLE).ok().filter(|name| !name.is_empty());
    let (name, origin) = match (argument, variable) {
        (Some(name), _) => (name.to_owned(), "--image"),
        (None, Some(name)) => (name, IMAGE_VARIABLE),
        (None, None) => {
            let progress = Progress::new();
            let image = build(docker, &BuildOptions::new(Recipe::hermes()), &progress).await?;
            progress.line(format!("built {}: {}", image.tag, image.id));
            return Ok(image.id);
        }
    };
    match docker.inspect_image(&name).await {
        Ok(about) => Ok(about.id.unwrap_or(name)),
        Err(error) if is_missing(&error) => bail!(
            "the engine has no image {name:?}, which {origin} names; nothing was built \
             (`cargo xtask image --tag {name}` would)"
        ),
        Err(error) => Err(error).with_context(|| format!("failed to inspect image {name}")),
    }
}

/// Removes what dead runs left, and says so when there was something.
async fn reap(docker: &Docker) -> Result<()> {
    let reaped = hermes_harness::reaper::reap(docker).await?;
    if !reaped.is_empty() {
        println!("{reaped}");
    }
    Ok(())
}

/// The name of the container of `up`, of its volume and of its network.
const UP: &str = "hermes-up";
/// The label of all that `up` makes, by which `down` knows them.
const UP_LABEL: (&str, &str) = ("hermes.harness.role", "up");

/// Returns whether the engine said that there is no such thing.
fn is_missing(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })
}
