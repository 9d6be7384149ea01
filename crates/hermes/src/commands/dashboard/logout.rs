//! `hermes dashboard logout`.

use std::process::ExitCode;

use hermes_operations::{Report, ReportKind, hint_for};

use super::link;
use crate::context::Context;
use crate::output::{note, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// End all sessions of this volume's dashboard.
    #[arg(long, required = true)]
    all: bool,

    /// Make a new token and print its link. Links with the old token become invalid.
    #[arg(long)]
    new_token: bool,
}

const EXAMPLES: &str = "Examples:
  hermes dashboard logout --all               make every browser log in again
  hermes dashboard logout --all --new-token   also make old login links invalid";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let cannot = |error: &(dyn std::error::Error + 'static)| {
        let hint = hint_for(ReportKind::CannotWrite, error);
        Report::new(ReportKind::CannotWrite, "failed to end the sessions").because(error).hint(hint)
    };
    if arguments.new_token {
        hermes_dashboard::new_token(&context.home).map_err(|error| cannot(&error))?;
    }
    hermes_dashboard::end_all_sessions(&context.home).map_err(|error| cannot(&error))?;
    say!("everybody is logged out");
    if arguments.new_token {
        match link::current(context) {
            Ok(link) => say!("{link}"),
            Err(reason) => {
                note!("warning: the token has changed, and there is no link: {}", reason.what)
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
