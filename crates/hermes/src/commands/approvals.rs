//! `hermes approvals …`: the questions of tools that wait for a person, and the calls that are approved for good.

mod answer;
mod forget;
mod list;

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use hermes_agent::store::StoreError;
use hermes_operations::{Report, ReportKind, boot_wait};

use crate::context::Context;
use crate::output::Printer;
use crate::{event_loop, stored};

#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  hermes approvals list                      list the questions that wait
  hermes approvals answer appr_1a2b once     let one call run
  hermes -p coder approvals forget 'make'    ask again before each run of make";

#[derive(Subcommand)]
enum Command {
    /// Answer a question.
    Answer(answer::Arguments),
    /// Take back the approval of a command for each session.
    Forget(forget::Arguments),
    /// List the questions that wait, and the commands that are approved for each session.
    List(list::Arguments),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    // Any of them may create the database.
    boot_wait::until_booted(&Printer)?;
    if let Some(report) = refused(&context.home.database(&profile)) {
        return Err(report);
    }
    let store = &stored::open(context, &profile).map_err(store_failed)?;
    event_loop::block_on(async {
        match &arguments.command {
            Command::Answer(arguments) => answer::run(store, arguments).await,
            Command::Forget(arguments) => forget::run(store, arguments).await,
            Command::List(arguments) => list::run(store, arguments).await,
        }
    })?
}

/// Returns the report for a database that this process may not open, as in the sandbox of a tool. SQLite says no cause.
fn refused(database: &Path) -> Option<Report> {
    let error = File::open(database).err().filter(|error| error.kind() == ErrorKind::PermissionDenied)?;
    let what = format!("failed to open {}", database.display());
    let report = Report::new(ReportKind::Failed, what).caused_by(error);
    Some(report.hint("no tool of an agent reaches its approvals; run this command in a terminal of your own"))
}

fn store_failed(error: StoreError) -> Report {
    Report::new(ReportKind::Failed, "the approvals of the profile cannot be used").caused_by(error)
}
