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
mod tool_run;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use gateway_run::SUPERVISED_CHILD;

use crate::context::Context;
use crate::privileges::{Needs, Startup};
use hermes_operations::Report;

impl Command {
    /// Returns the user that the verb needs. The runner of a tool stays the user of the agent. Root may be kept for other commands; the files of these verbs are the account's. The
    /// set-up leaves root by itself, after the work that only root can do.
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::Setup(_) => Needs::Root,
            Self::ToolRun(_) => Needs::AnyUser,
            _ => Needs::Account,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Set up the account and the volume (/etc/cont-init.d/01-hermes-setup).
    Setup(setup::Arguments),
    /// Make the slot of each profile (/etc/cont-init.d/02-reconcile-profiles).
    Reconcile(reconcile::Arguments),
    /// Become the dashboard, if it is enabled (the `run` of its slot).
    DashboardRun(dashboard_run::Arguments),
    /// Decide if the dashboard starts again (the `finish` of its slot).
    DashboardFinish(dashboard_finish::Arguments),
    /// Become the gateway of a slot (its `run`).
    GatewayRun(gateway_run::Arguments),
    /// Decide if a gateway starts again (the `finish` of its slot).
    GatewayFinish(gateway_finish::Arguments),
    /// Keep the lease of the volume (the service `volume-lease`).
    KeepLease(keep_lease::Arguments),
    /// Become the logger of a slot (its `log/run`).
    GatewayLog(gateway_log::Arguments),
    /// Remove the leftovers of earlier boots, while the container runs.
    Sweep(sweep::Arguments),
    /// Run a tool of an agent in the sandbox. The engine requests it on the standard input.
    ToolRun(tool_run::Arguments),
}

/// The runner of a tool needs no [`Context`]: the volume is none of its business.
pub(crate) fn run(
    startup: Startup,
    context: impl FnOnce() -> Result<Context, Report>,
    command: &Command,
) -> Result<ExitCode, Report> {
    if let Command::ToolRun(arguments) = command {
        return Ok(tool_run::run(startup, arguments));
    }
    let context = &context()?;
    match command {
        Command::Setup(arguments) => setup::run(startup, context, arguments),
        Command::Reconcile(arguments) => reconcile::run(context, arguments),
        Command::DashboardRun(arguments) => dashboard_run::run(context, arguments),
        Command::DashboardFinish(arguments) => dashboard_finish::run(arguments),
        Command::GatewayRun(arguments) => gateway_run::run(context, arguments),
        Command::GatewayFinish(arguments) => gateway_finish::run(context, arguments),
        Command::KeepLease(arguments) => keep_lease::run(context, arguments),
        Command::GatewayLog(arguments) => gateway_log::run(context, arguments),
        Command::Sweep(arguments) => sweep::run(arguments),
        Command::ToolRun(arguments) => Ok(tool_run::run(startup, arguments)),
    }
}

/// Sends stderr to stdout: into the pipe of the slot's logger.
fn log_everything() {
    // A closed stdout takes nothing.
    let _ = nix::unistd::dup2_stderr(std::io::stdout());
}
