//! Runs the test binary and follows it until it ends, or until Ctrl-C.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use super::compile::Suites;
use super::events::{self, Line, Notes, Verdict};
use super::report::Reporter;
use super::select::Chosen;
use crate::tasks::{IMAGE_VARIABLE, reap};

/// The file in which the suites' runner notes what the events do not tell.
const NOTES_VARIABLE: &str = "HERMES_TEST_NOTES";
/// How long the test binary may take to end after Ctrl-C reached it, too.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How the tests run.
#[derive(Debug)]
pub(super) struct Options {
    /// The image under test; `None` without Docker.
    pub(super) image: Option<String>,
    /// Keep what tests make.
    pub(super) keep: bool,
    /// How many run at once.
    pub(super) jobs: usize,
    /// Why tests are ignored, where there is no Docker.
    pub(super) reason_to_ignore: Option<String>,
}

/// One test that ended.
#[derive(Debug)]
pub(super) struct TestResult {
    /// `module::function`.
    pub(super) name: String,
    /// How it ended.
    pub(super) verdict: Verdict,
    /// How long it took, where that is known.
    pub(super) took: Option<Duration>,
    /// Why it was ignored.
    pub(super) reason: Option<String>,
}

/// The run as a whole.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Tests in the order in which they ended.
    pub(super) results: Vec<TestResult>,
    /// Wall time.
    pub(super) took: Duration,
    /// Ctrl-C, or SIGTERM.
    pub(super) interrupted: bool,
}

impl Outcome {
    /// Every test passed, or was ignored.
    pub(super) fn passed(&self) -> bool {
        !self.interrupted && !self.results.iter().any(|result| matches!(result.verdict, Verdict::Failed(_)))
    }
}

/// Runs the chosen tests.
pub(super) async fn run(
    suites: &Suites,
    chosen: &Chosen,
    options: &Options,
    docker: Option<&Docker>,
) -> Result<Outcome> {
    let directory = tempfile::tempdir().context("failed to make a temporary directory")?;
    let notes = directory.path().join("notes");
    let mut child = start(suites, chosen, options, &notes)?;
    let stdout = child.stdout.take().context("the suites have no output")?;
    let mut lines = BufReader::new(stdout).lines();

    let started = Instant::now();
    let mut reporter = Reporter::new(chosen.run.len());
    let mut results = Vec::new();
    let mut closed = false;
    let mut interrupted = false;
    let mut signals = Signals::new()?;
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line.context("failed to read what the suites print")?,
            () = signals.next() => {
                interrupted = true;
                break;
            }
        };
        let Some(line) = line else { break };
        match events::parse(&line) {
            Line::Ended(name, verdict) => {
                let mut known = Notes::parse(&std::fs::read_to_string(&notes).unwrap_or_default());
                let took = known.took.get(&name).copied();
                let reason = options.reason_to_ignore.clone().or_else(|| known.not_run.remove(&name));
                let reason = reason.filter(|_| verdict == Verdict::Ignored);
                let result = TestResult { name, verdict, took, reason };
                reporter.ended(&result);
                results.push(result);
            }
            Line::Closed => closed = true,
            Line::Noise => {}
            Line::Text(text) => reporter.text(&text),
        }
    }
    drop(reporter);
    if interrupted {
        end(&mut child).await;
        if let Some(docker) = docker {
            reap(docker).await?;
        }
    } else {
        let status = child.wait().await.context("failed to wait for the suites")?;
        // A binary that died tells no failed test: that must not look like success.
        if !closed {
            bail!("the suites ended with {status} after {} of {} tests", results.len(), chosen.run.len());
        }
    }
    Ok(Outcome { results, took: started.elapsed(), interrupted })
}

fn start(suites: &Suites, chosen: &Chosen, options: &Options, notes: &Path) -> Result<Child> {
    let mut command = suites.command();
    command.args(["--format", "json", "--exact"]).arg(format!("--test-threads={}", options.jobs));
    for name in &chosen.rest {
        command.args(["--skip", name]);
    }
    command.env(NOTES_VARIABLE, notes).stdout(Stdio::piped());
    if let Some(image) = &options.image {
        command.env(IMAGE_VARIABLE, image);
    }
    if options.keep {
        command.env("HERMES_KEEP", "1");
    }
    command.spawn().context("failed to start the suites")
}

/// The test binary had the same Ctrl-C from the terminal; when it stays, it is killed. What it left
/// in the engine is the reaper's.
async fn end(child: &mut Child) {
    if timeout(LAST_WORDS, child.wait()).await.is_err() {
        // An error means that it has ended in the meantime.
        let _ = child.kill().await;
    }
}

/// Ctrl-C and SIGTERM.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("failed to listen for Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
