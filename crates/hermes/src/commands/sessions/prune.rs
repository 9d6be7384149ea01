//! `hermes sessions prune`.

use std::process::ExitCode;
use std::time::Duration;

use hermes_agent::store::{Filter, Store};
use hermes_operations::Report;

use super::{before_now, counted, question, store_failed};
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The shortest time without activity, as '90d' or '12h'.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older_than: Duration,

    /// Delete only sessions that this surface began, as 'cli' or 'api'.
    #[arg(long)]
    source: Option<String>,

    /// Print the number of sessions, and delete none.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    /// Delete without a question.
    #[arg(long)]
    yes: bool,
}

const EXAMPLES: &str = "Examples:
  hermes sessions prune --older-than 90d --dry-run     count the sessions first
  hermes sessions prune --older-than 90d               ask on the terminal, then delete
  hermes sessions prune --older-than 7d --source api --yes";

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let filter = Filter {
        limit: None,
        source: arguments.source.clone(),
        inactive_since: Some(before_now(arguments.older_than)),
    };
    let sessions = store.list(filter.clone()).await.map_err(store_failed)?;
    let count = counted(sessions.len() as u64, "session");
    if arguments.dry_run || sessions.is_empty() {
        say!("{count} had no activity for {}", humantime::format_duration(arguments.older_than));
        return Ok(ExitCode::SUCCESS);
    }
    question::ask(&format!("this deletes {count} with all messages"), arguments.yes)?;
    let deleted = store.prune(filter).await.map_err(store_failed)?;
    say!("deleted {}", counted(deleted.len() as u64, "session"));
    Ok(ExitCode::SUCCESS)
}
