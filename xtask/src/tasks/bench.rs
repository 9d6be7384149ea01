//! `cargo xtask bench`: measures what the image costs. The work is the harness's.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// Measure what the image costs, against the same image with its init bypassed
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Bench {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl Bench {
    pub(crate) fn run(self) -> Result<ExitCode> {
        crate::harness::become_task("bench", &self.arguments)
    }
}
