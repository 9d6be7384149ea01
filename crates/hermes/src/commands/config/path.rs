//! `hermes config path`.

use std::process::ExitCode;

use hermes_operations::Report;

use crate::context::Context;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

const EXAMPLES: &str = "Examples:
  cp \"$(hermes -p coder config path)\" /tmp/copy.yaml";

pub(crate) fn run(context: &Context, _: &Arguments) -> Result<ExitCode, Report> {
    say!("{}", context.home.config(&context.existing_profile()?).display());
    Ok(ExitCode::SUCCESS)
}
