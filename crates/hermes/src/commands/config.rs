//! `hermes config …`: the configuration of a profile.

mod edit;
mod get;
mod list;
mod path;
mod set;
mod unset;

use std::process::ExitCode;

use clap::Subcommand;
use hermes_operations::{Report, boot_wait};

use crate::context::Context;
use crate::output::Printer;
use crate::privileges::Needs;

const EXAMPLES: &str = "Examples:
  hermes config list                         list the active profile's values, secrets masked
  hermes -p coder config get gateway.port    print one value
  hermes -p coder config set gateway.port 9300
  hermes config edit                         edit in $EDITOR; a file with an error is not saved";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Open the configuration in an editor.
    Edit(edit::Arguments),
    /// Print one value.
    Get(get::Arguments),
    /// Print all values; secrets are '***'.
    List(list::Arguments),
    /// Print the path of the file, which need not exist.
    Path(path::Arguments),
    /// Set one value; comments and other values do not change.
    Set(set::Arguments),
    /// Remove one value; comments and other values do not change.
    Unset(unset::Arguments),
}

impl Command {
    /// Returns the user that the verb needs. An editor opens the copy by its path, and follows any link that the account puts there
    /// meanwhile.
    pub(crate) fn needs(&self) -> Needs {
        if matches!(self, Self::Edit(_)) { Needs::AccountInImage } else { Needs::AnyUser }
    }

    fn changes_the_volume(&self) -> bool {
        match self {
            Self::Edit(_) | Self::Set(_) | Self::Unset(_) => true,
            Self::Get(_) | Self::List(_) | Self::Path(_) => false,
        }
    }
}

pub(crate) fn run(context: &Context, command: &Command) -> Result<ExitCode, Report> {
    if command.changes_the_volume() {
        boot_wait::until_booted(&Printer)?;
    }
    match command {
        Command::Edit(arguments) => edit::run(context, arguments),
        Command::Get(arguments) => get::run(context, arguments),
        Command::List(arguments) => list::run(context, arguments),
        Command::Path(arguments) => path::run(context, arguments),
        Command::Set(arguments) => set::run(context, arguments),
        Command::Unset(arguments) => unset::run(context, arguments),
    }
}
