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

const EXAMPLES: &str = "Examples:
  hermes profile create coder         create a profile; its gateway is stopped
  hermes profile use coder            make 'coder' the active profile
  hermes profile show coder           show its directory and its gateway
  hermes profile list --json          list all profiles, for a program
  hermes profile export coder         write an archive of it
  hermes profile delete coder --yes   delete it with all its files";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Create a profile and register its gateway.
    Create(create::Arguments),
    /// Stop a profile's gateway and delete the profile with all its files.
    Delete(delete::Arguments),
    /// Write a profile to an archive, without its secrets.
    Export(export::Arguments),
    /// Create a profile from an archive of `export`.
    Import(import::Arguments),
    /// List the profiles.
    List(list::Arguments),
    /// Rename a profile with all its files.
    Rename(rename::Arguments),
    /// Show the directory, the settings and the gateway of a profile.
    Show(show::Arguments),
    /// Make a profile the active one, which commands use without `-p`.
    Use(use_::Arguments),
}

impl Command {
    /// Returns the user that the verb needs.
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::Create(_) | Self::Delete(_) | Self::Import(_) | Self::Rename(_) | Self::Show(_) => {
                Needs::AccountInImage
            }
            Self::Export(_) | Self::List(_) | Self::Use(_) => Needs::AnyUser,
        }
    }

    fn changes_the_volume(&self) -> bool {
        match self {
            Self::Create(_) | Self::Delete(_) | Self::Import(_) | Self::Rename(_) | Self::Use(_) => true,
            Self::Export(_) | Self::List(_) | Self::Show(_) => false,
        }
    }
}

pub(crate) fn run(context: &Context, command: &Command) -> Result<ExitCode, Report> {
    if command.changes_the_volume() {
        boot_wait::until_booted(&Printer)?;
    }
    match command {
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
