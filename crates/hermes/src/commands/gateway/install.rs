//! `hermes gateway install`.

use std::process::ExitCode;

use crate::context::Context;
use crate::error::CommandError;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = "Example:
  hermes -p coder gateway install")]
pub(crate) struct Arguments {}

pub(crate) fn run(context: &Context, _: &Arguments) -> Result<ExitCode, CommandError> {
    let profile = context.existing_profile()?;
    let manager = context.service_manager()?;
    super::must_need_installation(manager.as_ref(), &profile)?;
    manager.install(&profile)?;
    say!("gateway '{profile}' is installed: {}", manager.kind());
    Ok(ExitCode::SUCCESS)
}
