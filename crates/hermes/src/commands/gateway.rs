//! `hermes gateway …`: the long-running process of a profile.

mod each;
mod install;
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

#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  hermes gateway start                 starts the default profile's gateway, and waits until it is ready
  hermes -p coder gateway restart      stops and starts the gateway of the profile 'coder'
  hermes gateway stop --all            stops every gateway; they stay down after a restart of the container
  hermes gateway list --json           every gateway, for a program";

#[derive(Subcommand)]
enum Command {
    /// Starts the gateway, now and after every restart of the container.
    Start(start::Arguments),
    /// Stops the gateway; it stays down until it is started again.
    Stop(stop::Arguments),
    /// Stops the gateway and starts it again.
    Restart(restart::Arguments),
    /// Shows what is wanted of the gateway and how it is.
    Status(status::Arguments),
    /// Lists the gateways of all profiles.
    List(list::Arguments),
    /// Makes the host's service manager know the gateway (systemd, launchd; not in a container).
    Install(install::Arguments),
    /// Takes back what install did.
    Uninstall(uninstall::Arguments),
    /// Runs the gateway: under supervision where there is one, else in the foreground.
    Run(run::Arguments),
}

impl Arguments {
    /// Returns `true` if they run a gateway without a supervisor.
    pub(crate) fn runs_in_the_foreground(&self) -> bool {
        matches!(&self.command, Command::Run(arguments) if arguments.opts_out())
    }
}

impl Command {
    fn changes_the_volume(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Stop(_) | Self::Restart(_))
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    if arguments.command.changes_the_volume() {
        boot_wait::until_booted(&Printer)?;
    }
    match &arguments.command {
        Command::Start(arguments) => start::run(context, arguments),
        Command::Stop(arguments) => stop::run(context, arguments),
        Command::Restart(arguments) => restart::run(context, arguments),
        Command::Status(arguments) => status::run(context, arguments),
        Command::List(arguments) => list::run(context, arguments),
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
