//! `cargo xtask docker-test`: runs the container suites. The work is the harness's.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// Build the image once and run the container suites on it
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct DockerTest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl DockerTest {
    pub(crate) fn run(self) -> Result<ExitCode> {
        crate::harness::become_task("docker-test", &self.arguments)
    }
}
