//! `hermes gateway restart`.

use std::process::ExitCode;

use hermes_core::ProfileName;
use hermes_service::{ServiceManager, Wait};

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
        restart(context, manager, profile, wait)
    })
}

/// Writes the intent, then stops the gateway and starts it.
pub(crate) fn restart(
    context: &Context,
    manager: &dyn ServiceManager,
    profile: &ProfileName,
    wait: Wait,
) -> Result<(), CommandError> {
    start::started_by(context, manager, profile, |manager| manager.restart(profile, wait))
}
