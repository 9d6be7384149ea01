//! `hermes sessions stats`.

use std::process::ExitCode;

use hermes_agent::store::{Stats, Store};
use hermes_operations::Report;

use super::{counted, store_failed, time};
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes sessions stats          count sessions, messages and tokens
  hermes sessions stats --json   print JSON for a program";

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let stats = store.stats().await.map_err(store_failed)?;
    if arguments.json {
        output::json(&stats);
        return Ok(ExitCode::SUCCESS);
    }
    for (name, value) in lines(&stats) {
        say!("{name:<12} {value}");
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(stats: &Stats) -> Vec<(String, String)> {
    let usage = &stats.usage;
    let mut lines = vec![
        ("sessions".to_owned(), stats.sessions.to_string()),
        ("messages".to_owned(), stats.messages.to_string()),
        ("turns".to_owned(), stats.turns.to_string()),
        ("model calls".to_owned(), stats.model_calls.to_string()),
        ("tokens in".to_owned(), format!("{} ({} cached)", usage.input, usage.cached)),
        ("tokens out".to_owned(), format!("{} ({} reasoning)", usage.output, usage.reasoning)),
        ("database".to_owned(), format!("{} KiB", stats.bytes / 1024)),
    ];
    lines.extend(stats.sources.iter().map(|source| {
        let sessions = counted(source.sessions, "session");
        (format!("of {}", source.source), format!("{sessions}, last activity {}", time(source.active_at)))
    }));
    lines
}
