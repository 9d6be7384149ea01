//! `hermes gateway status`.

use std::process::ExitCode;

use crate::context::Context;
use crate::error::CommandError;
use crate::gateways::{self, Gateway};
use crate::output;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes -p coder gateway status
  hermes gateway status --all --json")]
pub(crate) struct Arguments {
    /// Every profile, the default one first.
    #[arg(long)]
    all: bool,

    /// Prints JSON: an object for one gateway, an array with --all.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let manager = context.service_manager()?;
    if arguments.all {
        super::names_no_profile(context);
        return super::list::show(context, manager.as_ref(), arguments.json);
    }
    let profile = context.existing_profile()?;
    let gateway = Gateway::look(&context.home, manager.as_ref(), &profile)?;
    if arguments.json {
        output::json(&gateway);
    } else {
        gateways::print(&[gateway]);
    }
    Ok(ExitCode::SUCCESS)
}
