//! `hermes gateway …`: the long-running process of a profile.

mod each;
mod install;
mod key;
mod list;
mod restart;
mod run;
mod start;
mod status;
mod stop;
mod uninstall;

use std::process::ExitCode;

use clap::Subcommand;
use hermes_operations::{Report, boot_wait};

use crate::cli;
use crate::context::Context;
use crate::output::Printer;

const EXAMPLES: &str = "Examples:
  hermes gateway start                 start the active profile's gateway
  hermes -p coder gateway restart      restart the gateway of 'coder'
  hermes gateway stop --all            stop all gateways
  hermes gateway list --json           list all gateways, for a program";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Start the gateway, now and after each restart of the container.
    Start(start::Arguments),
    /// Stop the gateway, also after each restart of the container.
    Stop(stop::Arguments),
    /// Stop the gateway and start it again.
    Restart(restart::Arguments),
    /// Show the desired state and the state of the gateway.
    Status(status::Arguments),
    /// List the gateways of all profiles.
    List(list::Arguments),
    /// Show or replace the key of the gateway's API.
    #[command(subcommand)]
    Key(key::Command),
    /// Register the gateway with systemd or launchd of the host (not in a container).
    Install(install::Arguments),
    /// Remove the registration of `install`.
    Uninstall(uninstall::Arguments),
    /// Run the gateway under supervision if there is one, else in the foreground.
    Run(run::Arguments),
}

impl Command {
    /// Returns `true` if they run a gateway without a supervisor.
    pub(crate) fn runs_in_the_foreground(&self) -> bool {
        matches!(self, Self::Run(arguments) if arguments.opts_out())
    }

    fn changes_the_volume(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Stop(_) | Self::Restart(_))
    }
}

pub(crate) fn run(context: &Context, command: &Command) -> Result<ExitCode, Report> {
    if command.changes_the_volume() {
        boot_wait::until_booted(&Printer)?;
    }
    match command {
        Command::Start(arguments) => start::run(context, arguments),
        Command::Stop(arguments) => stop::run(context, arguments),
        Command::Restart(arguments) => restart::run(context, arguments),
        Command::Status(arguments) => status::run(context, arguments),
        Command::List(arguments) => list::run(context, arguments),
        Command::Key(command) => key::run(context, command),
        Command::Install(arguments) => install::run(context, arguments),
        Command::Uninstall(arguments) => uninstall::run(context, arguments),
        Command::Run(arguments) => run::run(context, arguments),
    }
}

/// Ends with the usage error (2) where `-p` stands beside `--all`: clap itself does not see a global flag that stands before the
/// subcommand as a conflict.
fn names_no_profile(context: &Context) {
    if context.names_a_profile() {
        let message = "the argument '--all' cannot be used with '--profile <NAME>'";
        cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
}
