//! Runs the suites: finds the tests that `#[docker_test]` registered, and hands them to libtest-mimic, so that
//! `cargo test`, nextest and `cargo xtask docker-test` all know how to run, list and filter them.
//!
//! Without Docker every test is reported as ignored, with the reason; never as passed. So is one that finds out that
//! something else is missing ([`not_run`]).

mod folder;
mod not_run;
mod notes;
mod runner;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

pub use {inventory, serial_test};

pub use crate::scope::{Scope, Witness};
pub use folder::files_that_no_module_names;
pub use not_run::{NotRun, not_run};
pub use runner::{LIMIT, NotPassed};

use crate::engine::{NoDocker, connect};
use crate::error::{BoxError, Result, chain};
use crate::image_under_test::image_under_test;
use crate::product::{self, Product};
use crate::reaper::{Reaped, reap};

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
    limit: std::time::Duration,
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
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            return ExitCode::FAILURE;
        }
    };
    let mut trials: Vec<Trial> = tests.into_iter().map(|test| trial(test, &docker, &arguments)).collect();
    trials.extend(folder.map(folder_trial));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Before the first test: is there an engine, what did dead runs leave, which image is it?
///
/// The inner error is "no Docker"; the outer one ends the run.
fn prepare(
    arguments: &Arguments,
    tests: &[&'static DockerTest],
) -> Result<std::result::Result<(), NoDocker>> {
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
            return Ok(Ok(()));
        }
        match reap(&docker).await {
            Ok(reaped) if reaped == Reaped::default() => {}
            Ok(reaped) => eprintln!("left by an earlier run:\n{reaped}"),
            // Not a reason to run no tests.
            Err(error) => eprintln!("warning: {}", chain(&error)),
        }
        let image = image_under_test(&docker).await?;
        println!("image under test: {image}");
        Ok(Ok(()))
    })
}

fn trial(
    test: &'static DockerTest,
    docker: &std::result::Result<(), NoDocker>,
    arguments: &Arguments,
) -> Trial {
    match docker {
        Ok(()) => Trial::ignorable_test(test.name(), move || match (test.run)() {
            Ok(()) => Ok(Completion::Completed),
            Err(NotPassed::NotRun(reason)) => Ok(Completion::ignored_with(reason)),
            Err(NotPassed::Failed(failure)) => Err(failure.into()),
        }),
        Err(no_docker) => {
            let reason = no_docker.to_string();
            let insisted = arguments.ignored || arguments.include_ignored;
            let unable = move || match insisted {
                true => Err(Failed::from(reason)),
                false => Ok(Completion::ignored_with(reason)),
            };
            // A list is asked by those who run each test on its own (nextest): they leave out what is ignored there.
            // In a run the test says itself that it is ignored, since only so the reason is printed.
            Trial::ignorable_test(test.name(), unable).with_ignored_flag(arguments.list || insisted)
        }
    }
}

/// The test that every file of the folder is a module of `main.rs`: what is not would silently not be run.
fn folder_trial(folder: &Path) -> Trial {
    let folder = folder.to_owned();
    Trial::ignorable_test("every_file_of_the_folder_is_a_suite", move || {
        if !folder.exists() {
            // As where only the binary was carried to.
            return Ok(Completion::ignored_with(format!("the sources are not at {}", folder.display())));
        }
        let missing = files_that_no_module_names(&folder)?;
        if missing.is_empty() {
            return Ok(Completion::Completed);
        }
        let lines: Vec<String> =
            missing.iter().map(|name| format!("{}/main.rs has no `mod {name};`", folder.display())).collect();
        Err(lines.join("\n").into())
    })
}
