//! `hermes gateway key …`: the bearer key of a gateway's API.

mod rotate;
mod show;

use std::process::ExitCode;

use clap::Subcommand;
use hermes_operations::Report;

use crate::context::Context;

const EXAMPLES: &str = "Examples:
  hermes gateway key show              print the key of the active profile's API
  hermes -p coder gateway key rotate   replace the key of 'coder'";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Print the key.
    Show(show::Arguments),
    /// Replace the generated key. The old one is no longer valid.
    Rotate(rotate::Arguments),
}

pub(crate) fn run(context: &Context, command: &Command) -> Result<ExitCode, Report> {
    match command {
        Command::Show(arguments) => show::run(context, arguments),
        Command::Rotate(arguments) => rotate::run(context, arguments),
    }
}
