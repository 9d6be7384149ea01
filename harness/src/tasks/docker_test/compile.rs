//! Compiles the suites and finds their binary.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use super::Subject;

/// The compiled suites.
#[derive(Debug)]
pub(super) struct Suites {
    /// The test binary.
    pub(super) binary: PathBuf,
    /// The directory that cargo would run it in.
    pub(super) directory: PathBuf,
}

impl Suites {
    /// A command that runs the binary.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.directory).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// Compiles them; cargo draws its own progress on stderr.
pub(super) async fn suites(root: &Path, subject: Subject) -> Result<Suites> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["test", "--workspace", "--test", subject.binary()]);
    command.args(["--no-run", "--message-format=json-render-diagnostics"]);
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = command.output().await.context("failed to start cargo")?;
    if !output.status.success() {
        bail!("the suites do not compile");
    }
    let binary =
        hermes_harness::image::executable(&String::from_utf8_lossy(&output.stdout), subject.binary())
            .context("cargo built no binary of the suites")?;
    Ok(Suites { binary, directory: root.join(subject.package()) })
}
