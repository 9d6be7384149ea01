//! Runs the suites: finds the tests that `#[docker_test]` registered, and hands them to libtest-mimic. So `cargo test`
//! and nextest know how to run, list and filter them.
//!
//! A run prints a line for each test, with its time, and a summary whose last line is `N passed, M failed, K skipped`.
//! `PREFIX_TEST_JUNIT` names a file for the same as JUnit XML. The exit code is 0 if no test failed, 101 if one did, 130
//! after Ctrl-C. libtest's own options, such as `--format json`, switch this report off.
//!
//! Without Docker every test is reported as ignored, with the reason; never as passed. So is a test that finds out that
//! it lacks something else ([`not_run`]).

mod folder;
mod junit;
mod not_run;
mod report;
mod runner;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

pub use {inventory, serial_test};

pub use crate::scope::{Scope, Witness};
pub use folder::files_that_no_module_names;
pub use not_run::{NotRun, not_run};
pub use runner::{LIMIT, NotPassed};

use crate::engine::{NoDocker, connect};
use crate::error::{BoxError, Error, Result, chain};
use crate::image_under_test::image_under_test;
use crate::product::{self, Product};
use crate::reaper::{Reaped, reap};
use report::{Report, TestResult, Verdict};

/// The exit code of a run that Ctrl-C or SIGTERM ended.
const INTERRUPTED: i32 = 130;

/// The boxed future of a test's function.
pub type TestFuture = Pin<Box<dyn Future<Output = std::result::Result<(), BoxError>>>>;

/// A test, as `#[docker_test]` registers it.
#[derive(Debug)]
pub struct DockerTest {
    module_path: &'static str,
    function: &'static str,
    needs_the_machine: bool,
    run: fn() -> std::result::Result<(), NotPassed>,
}

inventory::collect!(DockerTest);

impl DockerTest {
    /// For the attribute. `function` is the function's name, with the case's name behind it.
    #[doc(hidden)]
    pub const fn new(
        module_path: &'static str,
        function: &'static str,
        needs_the_machine: bool,
        run: fn() -> std::result::Result<(), NotPassed>,
    ) -> Self {
        Self { module_path, function, needs_the_machine, run }
    }

    /// Returns `module::function` or `module::function::case`: the path without the name of the test binary.
    pub fn name(&self) -> String {
        name_of(self.module_path, self.function)
    }
}

fn name_of(module_path: &str, function: &str) -> String {
    match module_path.split_once("::") {
        Some((_, module)) => format!("{module}::{function}"),
        None => function.to_owned(),
    }
}

/// For the attribute: makes one type of every test's future.
#[doc(hidden)]
pub fn future_of<E: Into<BoxError>>(
    test: impl Future<Output = std::result::Result<(), E>> + 'static,
) -> TestFuture {
    Box::pin(async move { test.await.map_err(Into::into) })
}

/// For the attribute: runs a test, once the thread has its turn.
#[doc(hidden)]
pub fn run(
    module_path: &str,
    function: &str,
    file: &str,
    start: fn() -> TestFuture,
) -> std::result::Result<(), NotPassed> {
    runner::run(&name_of(module_path, function), &format!("{file}, {function}"), start)
}

/// Runs a test that is not registered, to its end, as if it were: with a limit, evidence and removal. The suites of the
/// harness itself show with it that failures are reported. Blocks the thread, which must not be a runtime's.
pub fn rehearse<E: Into<BoxError>, F>(
    name: &str,
    limit: Duration,
    test: impl FnOnce() -> F,
) -> std::result::Result<(), String>
where
    F: Future<Output = std::result::Result<(), E>> + 'static,
{
    runner::run_to_end(name, limit, || future_of(test())).map_err(|not_passed| match not_passed {
        NotPassed::NotRun(reason) => format!("not run: {reason}"),
        NotPassed::Failed(failure) => failure,
    })
}

/// The `main` of a test binary: runs the tests that it registered on the product's image.
pub fn main(product: &'static Product) -> ExitCode {
    run_all(product, None)
}

/// The `main` of a test binary whose modules are the files of `folder`. A file that is no module of `main.rs` there is
/// a failed test, since nothing else would tell that its tests do not run.
pub fn main_in(product: &'static Product, folder: impl AsRef<Path>) -> ExitCode {
    run_all(product, Some(folder.as_ref()))
}

/// The report of the run; none under a list or with another [format](Arguments::format).
static REPORT: OnceLock<Report> = OnceLock::new();

fn run_all(product: &'static Product, folder: Option<&Path>) -> ExitCode {
    product::state(product);
    let mut arguments = Arguments::from_args();
    if arguments.test_threads.is_none() {
        arguments.test_threads = product.setting("TEST_THREADS").and_then(|threads| threads.parse().ok());
    }
    let mut tests: Vec<&'static DockerTest> = inventory::iter::<DockerTest>().collect();
    // The runner takes the tests in this order. A test that waits for the whole machine stands at the end: in the middle
    // it would wait, with its thread, for a moment in which no other test runs.
    tests.sort_by_key(|test| (test.needs_the_machine, test.module_path, test.function));

    let docker = match prepare(&arguments, &tests) {
        Ok(docker) => docker,
        Err(error) => return fail(&error),
    };
    let mut trials: Vec<Trial> = tests.into_iter().map(|test| trial(test, &docker, &arguments)).collect();
    trials.extend(folder.map(folder_trial));
    if arguments.list || arguments.format.is_some() || arguments.logfile.is_some() {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    if let Err(error) = finish_on_signal() {
        return fail(&error);
    }
    let count = trials.iter().filter(|trial| !arguments.is_filtered_out(trial)).count();
    let junit = product.setting("TEST_JUNIT").map(PathBuf::from);
    let report = REPORT.get_or_init(|| Report::begin(count, docker.ok().flatten(), junit));
    arguments.logfile = Some("/dev/null".to_owned());
    let conclusion = libtest_mimic::run(&arguments, trials);
    match report.finish(false) {
        Ok(()) => conclusion.exit_code(),
        Err(error) => fail(&error),
    }
}

fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("error: {}", chain(error));
    ExitCode::FAILURE
}

/// From now on Ctrl-C and SIGTERM end the process with the summary of the tests so far. The next run removes what the
/// others made.
fn finish_on_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = runner::runtime()?;
    let listen = |kind| {
        let _entered = runtime.enter();
        signal(kind).map_err(Error::file("listen for signals"))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        if let Some(Err(error)) = REPORT.get().map(|report| report.finish(true)) {
            eprintln!("error: {error}");
        }
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

/// Before the first test: connects to the engine, removes the things that dead runs left, and finds the image.
///
/// Returns the image, or `None` if no test needs it. The inner error is "no Docker"; the outer one ends the run.
fn prepare(
    arguments: &Arguments,
    tests: &[&'static DockerTest],
) -> Result<std::result::Result<Option<&'static str>, NoDocker>> {
    let runtime = runner::runtime()?;
    runtime.block_on(async {
        let docker = match connect().await {
            Ok(docker) => docker,
            Err(no_docker) => return Ok(Err(no_docker)),
        };
        let wanted = tests.iter().any(|test| {
            let trial = Trial::test(test.name(), || Ok(()));
            !arguments.is_filtered_out(&trial)
        });
        if arguments.list || !wanted {
            return Ok(Ok(None));
        }
        match reap(&docker).await {
            Ok(reaped) if reaped == Reaped::default() => {}
            Ok(reaped) => eprintln!("left by an earlier run:\n{reaped}"),
            // Not a reason to run no tests.
            Err(error) => eprintln!("warning: {}", chain(&error)),
        }
        let image = image_under_test(&docker).await?;
        println!("image under test: {image}");
        Ok(Ok(Some(image)))
    })
}

fn trial(
    test: &'static DockerTest,
    docker: &std::result::Result<Option<&'static str>, NoDocker>,
    arguments: &Arguments,
) -> Trial {
    let name = test.name();
    match docker {
        Ok(_) => Trial::ignorable_test(name.clone(), move || {
            let ended = (test.run)();
            conclude(name, ended, runner::took())
        }),
        Err(no_docker) => {
            let reason = no_docker.to_string();
            let insisted = arguments.ignored || arguments.include_ignored;
            let unable = move || {
                let ended = if insisted { NotPassed::Failed(reason) } else { NotPassed::NotRun(reason) };
                conclude(name, Err(ended), None)
            };
            // A runner with a process for each test (nextest) asks for a list and leaves out the ignored tests. In a
            // run the test itself says that it is ignored, since only so the reason is printed.
            Trial::ignorable_test(test.name(), unable).with_ignored_flag(arguments.list || insisted)
        }
    }
}

/// Reports the end of a test to the person and to libtest-mimic.
fn conclude(
    name: String,
    ended: std::result::Result<(), NotPassed>,
    took: Option<Duration>,
) -> std::result::Result<Completion, Failed> {
    let (verdict, completion) = match ended {
        Ok(()) => (Verdict::Passed, Ok(Completion::Completed)),
        Err(NotPassed::NotRun(reason)) => {
            (Verdict::Ignored(reason.clone()), Ok(Completion::ignored_with(reason)))
        }
        Err(NotPassed::Failed(failure)) => (Verdict::Failed(failure.clone()), Err(Failed::from(failure))),
    };
    if let Some(report) = REPORT.get() {
        report.ended(TestResult { name, verdict, took });
    }
    completion
}

/// Returns the test that every file of the folder is a module of `main.rs`. The tests of another file would not run, and
/// nothing would tell.
fn folder_trial(folder: &Path) -> Trial {
    const NAME: &str = "every_file_of_the_folder_is_a_suite";
    let folder = folder.to_owned();
    Trial::ignorable_test(NAME, move || conclude(NAME.to_owned(), check_folder(&folder), None))
}

fn check_folder(folder: &Path) -> std::result::Result<(), NotPassed> {
    if !folder.exists() {
        // The binary was carried to another machine.
        return Err(NotPassed::NotRun(format!("the sources are not at {}", folder.display())));
    }
    let missing = files_that_no_module_names(folder)
        .map_err(|error| NotPassed::Failed(format!("failed to read {}: {error}", folder.display())))?;
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        missing.iter().map(|name| format!("{}/main.rs has no `mod {name};`", folder.display())).collect();
    Err(NotPassed::Failed(lines.join("\n")))
}
