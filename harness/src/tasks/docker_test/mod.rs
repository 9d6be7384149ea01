//! `cargo xtask docker-test`: the container suites on one image, reported as they end.
//!
//! The tests are run, and reported, by their own binary (`container_harness::suite`). This task builds the image and the
//! binary, and chooses the tests.

mod compile;
mod run;
mod select;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use hermes_harness::image::Recipe;

use select::Shard;

/// Tests wait for containers most of their time, so more run at once than there are cores.
const JOBS_PER_CORE: usize = 3;

/// Build the image once and run the container suites on it
#[derive(Debug, Args)]
pub(crate) struct DockerTest {
    /// Run the tests whose name contains one of these [default: all]
    filter: Vec<String>,
    /// The image that the tests are about
    #[arg(long, value_enum, default_value_t = Subject::Hermes)]
    suites: Subject,
    /// The image to test, by name or ID; nothing is built [default: $HERMES_TEST_IMAGE]
    #[arg(long)]
    image: Option<String>,
    /// List the tests that would run
    #[arg(long)]
    list: bool,
    /// Keep the containers and say how to enter them (HERMES_KEEP=1)
    #[arg(long)]
    keep: bool,
    /// How many tests run at once [default: three for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// The meaning of a machine without Docker
    #[arg(long, value_enum, default_value_t = NoDocker::Fail)]
    no_docker: NoDocker,
    /// Write the results as JUnit XML, which CI systems read
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run one part of the tests: 2/3 is the second of three
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The image of this repository
    Hermes,
    /// The example of container-harness: a plain Debian
    PlainDebian,
}

impl Subject {
    /// The name of the test binary.
    fn binary(self) -> &'static str {
        match self {
            Self::Hermes => "suites",
            Self::PlainDebian => "plain_debian",
        }
    }

    /// The directory of the package.
    fn package(self) -> &'static str {
        match self {
            Self::Hermes => "harness",
            Self::PlainDebian => "harness/container",
        }
    }

    /// An environment variable of its test binary.
    fn variable(self, name: &str) -> String {
        let prefix = match self {
            Self::Hermes => "HERMES",
            Self::PlainDebian => "PLAIN_DEBIAN",
        };
        format!("{prefix}_{name}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NoDocker {
    /// The suites are reported as ignored; that is no failure
    Skip,
    /// The suites are reported as ignored, and the run fails
    Fail,
}

impl DockerTest {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let docker = super::connect().await;
        // A missing image is an error before anything is compiled.
        let image = match (&docker, self.suites) {
            (Ok(docker), Subject::Hermes) if !self.list => {
                Some(super::image_under_test(docker, self.image.as_deref()).await?)
            }
            // The example builds its image itself.
            _ => self.image,
        };
        let suites = compile::suites(&Recipe::hermes().root, self.suites).await?;
        let chosen = select::choose(&suites, &self.filter, self.shard).await?;
        if self.list {
            for name in &chosen.run {
                println!("{name}");
            }
            return Ok(ExitCode::SUCCESS);
        }
        if chosen.run.is_empty() {
            bail!("no test matches {}", self.filter.join(" or "));
        }
        let options = run::Options {
            subject: self.suites,
            image,
            keep: self.keep,
            jobs: self.jobs.unwrap_or_else(default_jobs),
            junit: self.junit,
        };
        let code = run::run(&suites, &chosen, &options, docker.as_ref().ok()).await?;
        if code == ExitCode::SUCCESS && docker.is_err() && self.no_docker == NoDocker::Fail {
            eprintln!("error: no test ran, since there is no Docker (--no-docker skip accepts that)");
            return Ok(ExitCode::FAILURE);
        }
        Ok(code)
    }
}

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from) * JOBS_PER_CORE
}
