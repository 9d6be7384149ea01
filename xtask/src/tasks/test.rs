//! `cargo xtask test`: the unit tests, then the container suites.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::counts::Counts;
use crate::{harness, program};

/// The file with nextest's counts, as `.config/nextest.toml` names it.
const UNIT_JUNIT: &str = "target/nextest/default/junit.xml";
/// The file with the counts of `docker-test`.
const SUITES_JUNIT: &str = "target/docker-test/junit.xml";

/// Run the unit tests, then the container suites
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Run one kind alone
    #[arg(long, value_enum)]
    only: Option<Kind>,
    /// Skip the suites on a machine without Docker, or fail there
    #[arg(long, value_name = "skip|fail")]
    no_docker: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Run the tests that need no Docker
    Unit,
    /// Run the suites that test the image from outside: `cargo xtask docker-test`
    Suites,
}

impl Test {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut passed = true;
        let mut sum = Counts::default();
        let mut parts = Vec::new();
        if self.only != Some(Kind::Suites) {
            let (success, counts) = unit_tests()?;
            passed &= success;
            sum += counts;
            parts.push(format!("unit tests: {counts}"));
        }
        if self.only != Some(Kind::Unit) {
            let (success, counts) = self.suites()?;
            passed &= success;
            sum += counts.unwrap_or_default();
            let told = counts.map_or_else(|| "did not run".to_owned(), |counts| counts.to_string());
            parts.push(format!("suites: {told}"));
        }
        println!("\n{}", parts.join("\n"));
        println!("{sum}");
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn suites(&self) -> Result<(bool, Option<Counts>)> {
        let mut arguments = vec!["--junit".to_owned(), SUITES_JUNIT.to_owned()];
        if let Some(choice) = &self.no_docker {
            arguments.extend(["--no-docker".to_owned(), choice.clone()]);
        }
        // A stale file would be counted as this run's.
        remove(SUITES_JUNIT)?;
        let status =
            harness::task("docker-test", &arguments)?.status().context("failed to start the harness")?;
        let counts = counts_in(SUITES_JUNIT)?;
        if status.success() && counts.is_none() {
            bail!("docker-test wrote no {SUITES_JUNIT}");
        }
        Ok((status.success(), counts))
    }
}

/// Everything but the suites: with nextest where it is installed, which enforces a limit for each
/// test, else with cargo's own runner.
fn unit_tests() -> Result<(bool, Counts)> {
    if program::exists("cargo-nextest") {
        remove(UNIT_JUNIT)?;
        let mut command = program::cargo(["nextest", "run", "--workspace", "--no-fail-fast"]);
        command.args(["-E", "not binary(suites)"]);
        let passed = command.status().context("failed to start cargo nextest")?.success();
        return Ok((passed, counts_in(UNIT_JUNIT)?.unwrap_or_default()));
    }
    println!("cargo-nextest is not installed: the unit tests run without a limit for each");
    let rest = program::cargo(["test", "--workspace", "--exclude", "hermes-harness", "--no-fail-fast"]);
    let harness =
        program::cargo(["test", "--package", "hermes-harness", "--lib", "--bins", "--no-fail-fast"]);
    let (rest_passed, mut counts) = cargo_test(rest)?;
    let (harness_passed, more) = cargo_test(harness)?;
    counts += more;
    Ok((rest_passed && harness_passed, counts))
}

/// Runs `cargo test`, passing its output on while counting in it.
fn cargo_test(mut command: Command) -> Result<(bool, Counts)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("failed to start cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut kept = String::new();
    for line in BufReader::new(output).lines() {
        let line = line.context("failed to read what cargo test prints")?;
        writeln!(std::io::stdout(), "{line}").context("failed to print")?;
        kept.push_str(&line);
        kept.push('\n');
    }
    let passed = child.wait().context("failed to wait for cargo test")?.success();
    Ok((passed, Counts::of_cargo_test(&kept)))
}

/// The counts in a JUnit file of this repository; `None` when it was not written.
fn counts_in(file: &str) -> Result<Option<Counts>> {
    match fs::read_to_string(program::root().join(file)) {
        Ok(xml) => Ok(Some(Counts::of_junit(&xml).with_context(|| format!("{file} is no JUnit file"))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {file}")),
    }
}

fn remove(file: &str) -> Result<()> {
    match fs::remove_file(program::root().join(file)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {file}"))
        }
        _ => Ok(()),
    }
}
