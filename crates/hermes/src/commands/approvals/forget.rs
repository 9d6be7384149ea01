//! `hermes approvals forget COMMAND`.

use std::process::ExitCode;

use hermes_agent::store::Store;
use hermes_operations::{Report, ReportKind};

use super::store_failed;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The command or the path, as the list shows it.
    subject: String,
}

const EXAMPLES: &str = "Examples:
  hermes approvals forget 'git clone ssh://host/repository'   ask again before it runs";

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    if store.forget_allowed_call(&arguments.subject).await.map_err(store_failed)? {
        say!("The approval is taken back.");
        return Ok(ExitCode::SUCCESS);
    }
    Err(Report::new(
        ReportKind::NotFound,
        format!("{:?} is not approved for each session", arguments.subject),
    )
    .hint("list the approved commands: hermes approvals list"))
}
