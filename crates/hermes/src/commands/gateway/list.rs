//! `hermes gateway list`.

use std::process::ExitCode;

use hermes_operations::{Operations, Report};

use crate::context::Context;
use crate::gateway_table;
use crate::output;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes gateway list
  hermes gateway list --json")]
pub(crate) struct Arguments {
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    show(&context.operations()?, arguments.json)
}

/// Shows all gateways.
pub(super) fn show(operations: &Operations, json: bool) -> Result<ExitCode, Report> {
    let gateways = operations.gateways()?;
    if json {
        output::json(&gateways);
    } else {
        gateway_table::print(&gateways);
    }
    Ok(ExitCode::SUCCESS)
}
