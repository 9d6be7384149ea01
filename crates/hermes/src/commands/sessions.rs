//! `hermes sessions …`: the stored conversations of a profile.

mod delete;
mod export;
mod list;
mod prune;
mod question;
mod rename;
mod search;
mod show;
mod stats;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use hermes_agent::store::{FindError, SessionId, Store, StoreError};
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
  hermes sessions list                         list the newest sessions
  hermes sessions show 20261128_1609           show a session by the begin of its ID
  hermes sessions search invoice march         find messages that hold both words
  hermes sessions export -o -                  print all sessions as JSON lines
  hermes -p coder sessions prune --older-than 90d   delete old sessions of a profile";

#[derive(Subcommand)]
enum Command {
    /// Delete a session with its messages.
    Delete(delete::Arguments),
    /// Write sessions with all their messages as JSON lines.
    Export(export::Arguments),
    /// List the sessions, newest activity first.
    List(list::Arguments),
    /// Delete the sessions without recent activity.
    Prune(prune::Arguments),
    /// Give a session a title.
    Rename(rename::Arguments),
    /// Find messages of users and agents.
    Search(search::Arguments),
    /// Show a session with its messages.
    Show(show::Arguments),
    /// Count sessions, messages and tokens.
    Stats(stats::Arguments),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    // Any of them may create the database.
    boot_wait::until_booted(&Printer)?;
    let store = &stored::open(context, &profile).map_err(store_failed)?;
    event_loop::block_on(async {
        match &arguments.command {
            Command::Delete(arguments) => delete::run(store, arguments).await,
            Command::Export(arguments) => export::run(store, &profile, arguments).await,
            Command::List(arguments) => list::run(store, arguments).await,
            Command::Prune(arguments) => prune::run(store, arguments).await,
            Command::Rename(arguments) => rename::run(store, arguments).await,
            Command::Search(arguments) => search::run(store, arguments).await,
            Command::Show(arguments) => show::run(store, arguments).await,
            Command::Stats(arguments) => stats::run(store, arguments).await,
        }
    })?
}

/// Returns the session that the user names.
async fn find(store: &Store, name: &str) -> Result<SessionId, Report> {
    store.find(name).await.map_err(|error| match error {
        FindError::Store(error) => store_failed(error),
        error => Report::new(ReportKind::NotFound, error.to_string()).hint("list them: hermes sessions list"),
    })
}

fn store_failed(error: StoreError) -> Report {
    let kind = match error {
        StoreError::UnknownSession { .. } => ReportKind::NotFound,
        StoreError::TurnRuns { .. } | StoreError::NameTaken { .. } => ReportKind::Conflict,
        _ => ReportKind::Failed,
    };
    Report::new(kind, "the sessions of the profile cannot be used").caused_by(error)
}

/// Returns a time of the store for a person, to the second, in UTC.
fn time(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    let moment = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    // Later years than 9999 have no form, and humantime panics.
    let latest = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(moment.min(latest)).to_string()
}

/// Returns the time that lies `age` before now, as the store counts it.
fn before_now(age: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(age).as_millis()).unwrap_or(i64::MAX)
}

/// Returns a text on one line of at most `most` characters.
fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Returns a count with its name, as `1 session`.
fn counted(count: u64, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}
