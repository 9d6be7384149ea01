//! `cargo xtask clean-docker`: removes what earlier runs left in the engine. The work is the harness's.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// Remove what earlier runs left in the engine, and only that
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct CleanDocker {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl CleanDocker {
    pub(crate) fn run(self) -> Result<ExitCode> {
        crate::harness::become_task("clean-docker", &self.arguments)
    }
}
