//! `cargo xtask image`: builds the binaries and the image. The work is the harness's.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// Build the binaries and the image
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Image {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl Image {
    pub(crate) fn run(self) -> Result<ExitCode> {
        crate::harness::become_task("image", &self.arguments)
    }
}
