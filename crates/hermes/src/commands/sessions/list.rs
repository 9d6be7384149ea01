//! `hermes sessions list`.

use std::process::ExitCode;

use hermes_agent::store::{Filter, Session, Store};
use hermes_operations::Report;

use super::{shortened, store_failed, time};
use crate::output::{self, note, say};
use crate::table;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print at most this number of sessions; 0 prints all.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,

    /// Print only sessions that this surface began, as 'cli' or 'api'.
    #[arg(long)]
    source: Option<String>,

    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes sessions list                list the 20 newest sessions
  hermes sessions list -n 0 --json    print JSON of all sessions for a program
  hermes sessions list --source api   list the sessions of the API";

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let filter = Filter {
        limit: (arguments.limit > 0).then_some(arguments.limit),
        source: arguments.source.clone(),
        inactive_since: None,
    };
    let sessions = store.list(filter).await.map_err(store_failed)?;
    if arguments.json {
        output::json(&sessions);
        return Ok(ExitCode::SUCCESS);
    }
    if sessions.is_empty() {
        say!("there are no sessions");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = sessions.iter().map(row).collect();
    table::print(["SESSION", "SOURCE", "MESSAGES", "TOKENS", "LAST ACTIVITY", "TITLE"], &rows);
    if u32::try_from(sessions.len()).is_ok_and(|count| count == arguments.limit) {
        note!("There may be more: hermes sessions list -n 0");
    }
    Ok(ExitCode::SUCCESS)
}

fn row(session: &Session) -> [String; 6] {
    let preview = || session.preview.as_ref().map(|text| format!("({})", shortened(text, 40)));
    [
        session.id.to_string(),
        session.source.clone(),
        session.messages.to_string(),
        session.usage.total().to_string(),
        time(session.active_at),
        session.title.clone().or_else(preview).unwrap_or_default(),
    ]
}
