//! `hermes gateway status`.

use std::process::ExitCode;

use crate::context::Context;
use crate::error::CommandError;
use crate::gateways::{self, Gateway};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes -p coder gateway status
  hermes gateway status --all --json")]
pub(crate) struct Arguments {
    /// Every profile, the default one first.
    #[arg(long, conflicts_with = "profile")]
    all: bool,

    /// Prints JSON: an object for one gateway, an array with --all.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let manager = context.service_manager()?;
    if arguments.all {
        return super::list::show(context, manager.as_ref(), arguments.json);
    }
    let profile = context.existing_profile()?;
    let gateway = Gateway::look(&context.home, manager.as_ref(), &profile)?;
    if arguments.json {
        println!("{}", serde_json::json!(gateway));
    } else {
        gateways::print(&[gateway]);
    }
    Ok(ExitCode::SUCCESS)
}
