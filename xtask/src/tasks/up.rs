//! `cargo xtask up`: starts a container to try things in. The work is the harness's.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// Build the image if needed, start a container and say how it is reached
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Up {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl Up {
    pub(crate) fn run(self) -> Result<ExitCode> {
        crate::harness::become_task("up", &self.arguments)
    }
}
