//! `hermes gateway install`.

use std::process::ExitCode;

use hermes_operations::Report;

use crate::context::Context;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = "Example:
  hermes -p coder gateway install")]
pub(crate) struct Arguments {}

pub(crate) fn run(context: &Context, _: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let operations = context.operations()?;
    operations.install(&profile)?;
    say!("gateway '{profile}' is installed: {}", operations.manager().kind());
    Ok(ExitCode::SUCCESS)
}
