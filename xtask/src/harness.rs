//! The way to the tasks that need a Docker client: the binary of the `harness` crate.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::program;

/// Builds the harness's binary and returns a command that runs one of its tasks.
///
/// With `--workspace`, as the unit tests are built: what crates are asked for decides about the features of what they
/// stand on, and with other features most of it would be compiled a second time.
pub(crate) fn task(name: &str, arguments: &[String]) -> Result<Command> {
    let build = program::cargo(["build", "--workspace", "--bin", "harness"]).status();
    if !build.context("failed to start cargo")?.success() {
        bail!("the harness does not compile");
    }
    let mut command = program::in_root(binary()?);
    command.arg(name).args(arguments);
    Ok(command)
}

/// Runs a task in the place of this process, so that Ctrl-C and the exit code are its own.
pub(crate) fn become_task(name: &str, arguments: &[String]) -> Result<ExitCode> {
    program::become_it(task(name, arguments)?)
}

/// Cargo puts both binaries side by side.
fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe().context("failed to find the program that runs")?;
    Ok(here.with_file_name(format!("harness{}", std::env::consts::EXE_SUFFIX)))
}
