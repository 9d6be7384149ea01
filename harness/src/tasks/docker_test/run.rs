//! Runs the test binary until it ends, or until Ctrl-C. The binary itself reports the tests.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::Subject;
use super::compile::Suites;
use super::select::Chosen;
use crate::tasks::reap;

/// The time that the test binary has for its summary after Ctrl-C.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The exit code after Ctrl-C or SIGTERM: the test binary's, and the task's.
const INTERRUPTED: u8 = 130;

/// The way in which the tests run.
#[derive(Debug)]
pub(super) struct Options {
    /// The image that the tests are about.
    pub(super) subject: Subject,
    /// The image under test; `None` where the test binary finds it.
    pub(super) image: Option<String>,
    /// Keep what tests make.
    pub(super) keep: bool,
    /// The number of tests that run at once.
    pub(super) jobs: usize,
    /// The file for the results as JUnit XML.
    pub(super) junit: Option<PathBuf>,
}

/// Runs the chosen tests and returns the exit code of the task.
pub(super) async fn run(
    suites: &Suites,
    chosen: &Chosen,
    options: &Options,
    docker: Option<&Docker>,
) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut child = start(suites, chosen, options)?;
    let ended = tokio::select! {
        ended = child.wait() => Some(ended.context("failed to wait for the suites")?),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    match ended.map(|status| (status, status.code())) {
        Some((_, Some(0))) => Ok(ExitCode::SUCCESS),
        // libtest's code of a run with failed tests.
        Some((_, Some(101))) => Ok(ExitCode::FAILURE),
        // A binary that died tells no failed test: that must not look like success.
        Some((status, code)) if code != Some(i32::from(INTERRUPTED)) => {
            bail!("the suites ended with {status}")
        }
        _ => {
            end(&mut child).await;
            if let Some(docker) = docker {
                reap(docker).await?;
            }
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

fn start(suites: &Suites, chosen: &Chosen, options: &Options) -> Result<Child> {
    let variable = |name| options.subject.variable(name);
    let mut command = suites.command();
    command.arg("--exact").arg(format!("--test-threads={}", options.jobs));
    for name in &chosen.rest {
        command.args(["--skip", name]);
    }
    if let Some(image) = &options.image {
        command.env(variable("TEST_IMAGE"), image);
    }
    if options.keep {
        command.env(variable("KEEP"), "1");
    }
    if let Some(file) = &options.junit {
        // The suites run in another directory.
        let file = std::path::absolute(file).context("failed to find the file for the results")?;
        command.env(variable("TEST_JUNIT"), file);
    }
    command.spawn().context("failed to start the suites")
}

/// Waits for the end of the test binary, which had the same Ctrl-C from the terminal. Kills it when it stays. The reaper
/// removes what it left in the engine.
async fn end(child: &mut Child) {
    if timeout(LAST_WORDS, child.wait()).await.is_err() {
        // An error means that it has ended in the meantime.
        let _ = child.kill().await;
    }
}
