//! `hermes sessions search`.

use std::process::ExitCode;

use hermes_agent::message::Role;
use hermes_agent::store::Store;
use hermes_operations::Report;

use super::{store_failed, time};
use crate::output::{self, say};
use crate::table;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The words; the last one may be the begin of a word. Put a phrase in double quotes.
    #[arg(required = true)]
    words: Vec<String>,

    /// Print at most this number of messages.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,

    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes sessions search invoice march       find messages that hold both words
  hermes sessions search '\"net price\"'       find a phrase
  hermes sessions search invoice -n 5 --json   print JSON for a program";

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let hits = store.search(&arguments.words.join(" "), arguments.limit).await.map_err(store_failed)?;
    if arguments.json {
        output::json(&hits);
        return Ok(ExitCode::SUCCESS);
    }
    if hits.is_empty() {
        say!("no message holds these words");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = hits
        .iter()
        .map(|hit| {
            let role = if hit.role == Role::User { "user" } else { "assistant" };
            [hit.session.to_string(), time(hit.at), role.to_owned(), hit.snippet.clone()]
        })
        .collect();
    table::print(["SESSION", "TIME", "SENDER", "TEXT"], &rows);
    Ok(ExitCode::SUCCESS)
}
