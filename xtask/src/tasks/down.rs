//! `cargo xtask down`: removes what `up` started. The work is the harness's.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// Remove the container that `up` started
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Down {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl Down {
    pub(crate) fn run(self) -> Result<ExitCode> {
        crate::harness::become_task("down", &self.arguments)
    }
}
