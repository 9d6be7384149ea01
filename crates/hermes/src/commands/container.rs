//! `hermes container …`: what the image's boot and the slots of its gateways call. Not for people.

mod dashboard_finish;
mod dashboard_run;
mod gateway_finish;
mod gateway_log;
mod gateway_run;
mod keep_lease;
mod reconcile;
mod setup;
mod sweep;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use gateway_run::SUPERVISED_CHILD;

use crate::context::Context;
use crate::privileges::{Needs, Startup};
use hermes_operations::Report;

#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

impl Arguments {
    /// Returns the user that the verb needs. Root may be kept for other commands; the files of these verbs are the account's. The
    /// set-up leaves root by itself, after the work that only root can do.
    pub(crate) fn needs(&self) -> Needs {
        if matches!(self.command, Command::Setup(_)) { Needs::Root } else { Needs::Account }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Settles the account and puts the volume in order (/etc/cont-init.d/01-hermes-setup).
    Setup(setup::Arguments),
    /// Gives every profile its slot (/etc/cont-init.d/02-reconcile-profiles).
    Reconcile(reconcile::Arguments),
    /// Is the dashboard, where it is wanted (the `run` of its slot).
    DashboardRun(dashboard_run::Arguments),
    /// Judges how the dashboard ended (its slot's `finish`).
    DashboardFinish(dashboard_finish::Arguments),
    /// Becomes the gateway of a slot (its `run`).
    GatewayRun(gateway_run::Arguments),
    /// Judges how a gateway ended (its slot's `finish`).
    GatewayFinish(gateway_finish::Arguments),
    /// Keeps the volume this container's (the service `volume-lease`).
    KeepLease(keep_lease::Arguments),
    /// Becomes the logger of a slot (its `log/run`).
    GatewayLog(gateway_log::Arguments),
    /// Removes what the boot put away, while the container runs.
    Sweep(sweep::Arguments),
}

pub(crate) fn run(startup: Startup, context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    match &arguments.command {
        Command::Setup(arguments) => setup::run(startup, context, arguments),
        Command::Reconcile(arguments) => reconcile::run(context, arguments),
        Command::DashboardRun(arguments) => dashboard_run::run(context, arguments),
        Command::DashboardFinish(arguments) => dashboard_finish::run(arguments),
        Command::GatewayRun(arguments) => gateway_run::run(context, arguments),
        Command::GatewayFinish(arguments) => gateway_finish::run(context, arguments),
        Command::KeepLease(arguments) => keep_lease::run(context, arguments),
        Command::GatewayLog(arguments) => gateway_log::run(context, arguments),
        Command::Sweep(arguments) => sweep::run(arguments),
    }
}

/// Sends stderr to stdout: into the pipe of the slot's logger.
fn log_everything() {
    // A closed stdout takes nothing.
    let _ = nix::unistd::dup2_stderr(std::io::stdout());
}
