//! `hermes profile …`: agents, each in a directory of its own.

mod create;
mod delete;
mod list;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;
use crate::error::CommandError;

#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  hermes profile create coder         a new profile; its gateway is registered, and down
  hermes profile list --json          every profile, for a program
  hermes profile delete coder --yes   stops its gateway and removes all that it has";

#[derive(Subcommand)]
enum Command {
    /// Makes a profile and registers its gateway.
    Create(create::Arguments),
    /// Lists the profiles.
    List(list::Arguments),
    /// Stops a profile's gateway and removes the profile with everything in it.
    Delete(delete::Arguments),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    match &arguments.command {
        Command::Create(arguments) => create::run(context, arguments),
        Command::List(arguments) => list::run(context, arguments),
        Command::Delete(arguments) => delete::run(context, arguments),
    }
}
