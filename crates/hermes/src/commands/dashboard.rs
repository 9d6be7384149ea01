//! `hermes dashboard`: the web page, and who may see it.

mod hash_password;
mod link;
mod logout;
mod serve;
mod settings;
mod status;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use serve::serve_slot;
pub(crate) use settings::is_wanted;

use crate::context::Context;
use crate::privileges::Needs;
use hermes_operations::Report;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    serve: serve::Arguments,

    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "Examples:
  hermes dashboard --open                       serve on this machine and open a browser
  docker run -d -e HERMES_DASHBOARD=1 -p 127.0.0.1:9119:9119 -v agents:/opt/data IMAGE
                                                run supervised in a container
  docker exec CONTAINER hermes dashboard link   print the login link, if no password is configured
  hermes dashboard logout --all                 end all sessions";

impl Arguments {
    /// Returns the user that the verb needs: the page makes and drives the account's files.
    pub(crate) fn needs(&self) -> Needs {
        if self.command.is_none() { Needs::AccountInImage } else { Needs::AnyUser }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Print the login link, if no password is configured.
    Link(link::Arguments),
    /// End sessions.
    Logout(logout::Arguments),
    /// Read a password and print its hash for dashboard.password_hash in config.yaml.
    HashPassword(hash_password::Arguments),
    /// Show the state and the address of the supervised dashboard.
    Status(status::Arguments),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    match &arguments.command {
        None => serve::run(context, &arguments.serve),
        Some(Command::Link(arguments)) => link::run(context, arguments),
        Some(Command::Logout(arguments)) => logout::run(context, arguments),
        Some(Command::HashPassword(arguments)) => hash_password::run(arguments),
        Some(Command::Status(arguments)) => status::run(context, arguments),
    }
}
