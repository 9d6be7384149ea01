//! `hermes approvals list`.

use std::process::ExitCode;

use hermes_agent::approval::Approval;
use hermes_agent::store::{AllowedCall, Store};
use hermes_operations::Report;
use hermes_os::printable::unambiguous;
use serde::Serialize;

use super::store_failed;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes approvals list          list what waits and what is approved
  hermes approvals list --json   print JSON for a program";

#[derive(Serialize)]
struct Found {
    waiting: Vec<Approval>,
    allowed: Vec<AllowedCall>,
}

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let waiting = store.pending_approvals(None).await.map_err(store_failed)?;
    let allowed = store.allowed_calls().await.map_err(store_failed)?;
    if arguments.json {
        output::json(&Found { waiting, allowed });
        return Ok(ExitCode::SUCCESS);
    }
    if waiting.is_empty() {
        say!("No question waits.");
    }
    for approval in waiting {
        say!("{}  {}", approval.id, approval.tool);
        for line in approval.subject.split('\n') {
            say!("    {}", unambiguous(line));
        }
        say!("  {}", approval.reason.sentence());
        say!("  answer: hermes approvals answer {} once|session|always|deny", approval.id);
    }
    for call in allowed {
        say!("approved for each session: {} {}", call.tool, unambiguous(&call.subject));
    }
    Ok(ExitCode::SUCCESS)
}
