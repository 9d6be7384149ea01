//! `hermes profile …`: agents, each in a directory of its own.

mod create;
mod delete;
mod export;
mod import;
mod list;
mod rename;
mod show;
mod use_;

use std::process::ExitCode;

use clap::Subcommand;
use hermes_operations::{Report, boot_wait};

use crate::context::Context;
use crate::output::Printer;
use crate::privileges::Needs;

#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  hermes profile create coder         a new profile; its gateway is registered, and down
  hermes profile use coder            the profile that is meant when -p names none
  hermes profile show coder           where it lies, and how its gateway is
  hermes profile list --json          every profile, for a program
  hermes profile export coder         a copy of it, in one file
  hermes profile delete coder --yes   stops its gateway and removes all that it has";

#[derive(Subcommand)]
enum Command {
    /// Makes a profile and registers its gateway.
    Create(create::Arguments),
    /// Stops a profile's gateway and removes the profile with everything in it.
    Delete(delete::Arguments),
    /// Writes a profile into a file, without its secrets.
    Export(export::Arguments),
    /// Makes a profile of what `export` wrote.
    Import(import::Arguments),
    /// Lists the profiles.
    List(list::Arguments),
    /// Gives a profile another name; all that it has goes with it.
    Rename(rename::Arguments),
    /// Shows where a profile lies, what it has, and how its gateway is.
    Show(show::Arguments),
    /// Makes a profile the one that is meant when none is named.
    Use(use_::Arguments),
}

impl Arguments {
    /// Returns the user that the verb needs.
    pub(crate) fn needs(&self) -> Needs {
        match &self.command {
            Command::Create(_)
            | Command::Delete(_)
            | Command::Import(_)
            | Command::Rename(_)
            | Command::Show(_) => Needs::AccountInImage,
            Command::Export(_) | Command::List(_) | Command::Use(_) => Needs::AnyUser,
        }
    }
}

impl Command {
    fn changes_the_volume(&self) -> bool {
        match self {
            Self::Create(_) | Self::Delete(_) | Self::Import(_) | Self::Rename(_) | Self::Use(_) => true,
            Self::Export(_) | Self::List(_) | Self::Show(_) => false,
        }
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    if arguments.command.changes_the_volume() {
        boot_wait::until_booted(&Printer)?;
    }
    match &arguments.command {
        Command::Create(arguments) => create::run(context, arguments),
        Command::Delete(arguments) => delete::run(context, arguments),
        Command::Export(arguments) => export::run(context, arguments),
        Command::Import(arguments) => import::run(context, arguments),
        Command::List(arguments) => list::run(context, arguments),
        Command::Rename(arguments) => rename::run(context, arguments),
        Command::Show(arguments) => show::run(context, arguments),
        Command::Use(arguments) => use_::run(context, arguments),
    }
}
