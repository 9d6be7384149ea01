//! How programs are started: from the root of the repository, wherever the caller stands.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// A program that will run in the root of the repository.
pub(crate) fn in_root(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_of_a_package(variable)) {
        command.env_remove(variable);
    }
    command
}

/// Returns true for a variable that `cargo run` sets to describe the package that it runs.
///
/// A cargo below must not see it. The build script of ring reads such variables, so it would run again after
/// each change between a call from here and a call from a shell.
fn is_of_a_package(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// The cargo that runs us.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = in_root(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Returns true if a program can be started.
pub(crate) fn exists(program: &str) -> bool {
    let mut command = in_root(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

/// Replaces this process by the command.
#[cfg(unix)]
pub(crate) fn become_it(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    let line = line_of(&command);
    Err(command.exec()).with_context(|| format!("failed to start `{line}`"))
}

/// Runs the command and ends as it ended.
#[cfg(not(unix))]
pub(crate) fn become_it(mut command: Command) -> Result<ExitCode> {
    let line = line_of(&command);
    let status = command.status().with_context(|| format!("failed to start `{line}`"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A command as one would type it.
pub(crate) fn line_of(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
