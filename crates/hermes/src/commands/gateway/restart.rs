//! `hermes gateway restart`.

use std::process::ExitCode;

use super::{each, start};
use crate::context::Context;
use crate::error::CommandError;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes -p coder gateway restart
  hermes gateway restart --all")]
pub(crate) struct Arguments {
    #[command(flatten)]
    each: each::Arguments,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    each::run(context, &arguments.each, "ready", |manager, profile, wait| {
        start::started_by(context, manager, profile, |manager| manager.restart(profile, wait))
    })
}
