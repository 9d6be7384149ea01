//! `hermes gateway list`.

use std::process::ExitCode;

use hermes_service::ServiceManager;

use crate::context::Context;
use crate::error::CommandError;
use crate::gateways::{self, Gateway};
use crate::output;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes gateway list
  hermes gateway list --json")]
pub(crate) struct Arguments {
    /// Prints a JSON array.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    show(context, context.service_manager()?.as_ref(), arguments.json)
}

/// Shows all gateways.
pub(super) fn show(
    context: &Context,
    manager: &dyn ServiceManager,
    json: bool,
) -> Result<ExitCode, CommandError> {
    let gateways = Gateway::all(&context.home, manager)?;
    if json {
        output::json(&gateways);
    } else {
        gateways::print(&gateways);
    }
    Ok(ExitCode::SUCCESS)
}
