//! `hermes gateway status`.

use std::process::ExitCode;

use hermes_operations::Report;

use crate::context::Context;
use crate::gateway_table;
use crate::output;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes -p coder gateway status
  hermes gateway status --all --json")]
pub(crate) struct Arguments {
    /// All profiles, the default one first.
    #[arg(long)]
    all: bool,

    /// Print JSON: an object for one gateway, an array with --all.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let operations = context.operations()?;
    if arguments.all {
        super::names_no_profile(context);
        return super::list::show(&operations, arguments.json);
    }
    let profile = context.existing_profile()?;
    let gateway = operations.gateway(&profile)?;
    if arguments.json {
        output::json(&gateway);
    } else {
        gateway_table::print(&[gateway]);
    }
    Ok(ExitCode::SUCCESS)
}
