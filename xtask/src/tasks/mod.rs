//! The tasks, one file each.

mod bench;
mod clean_docker;
mod docker_test;
mod down;
mod image;
mod lint;
mod test;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// One task.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    Up(up::Up),
    Down(down::Down),
    Image(image::Image),
    DockerTest(docker_test::DockerTest),
    Test(test::Test),
    Lint(lint::Lint),
    Bench(bench::Bench),
    CleanDocker(clean_docker::CleanDocker),
}

impl Task {
    /// Runs it to its end.
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Up(task) => task.run(),
            Self::Down(task) => task.run(),
            Self::Image(task) => task.run(),
            Self::DockerTest(task) => task.run(),
            Self::Test(task) => task.run(),
            Self::Lint(task) => task.run(),
            Self::Bench(task) => task.run(),
            Self::CleanDocker(task) => task.run(),
        }
    }
}
