//! `hermes sessions export`.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use hermes_agent::store::{Filter, Session, SessionId, Store, StoredMessage};
use hermes_core::{ProfileName, timestamp};
use hermes_operations::{Report, ReportKind};
use serde::Serialize;

use super::{counted, find, store_failed};
use crate::output::{self, say};

/// The messages that are in memory at one time.
const PAGE: u32 = 500;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The session: its ID, the begin of its ID, or its title. The default is all sessions.
    session: Option<String>,

    /// The file; '-' is the standard output. The default is PROFILE-sessions-DATE.jsonl in this directory.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace an existing file.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "Examples:
  hermes sessions export                         write all sessions to a file in this directory
  hermes sessions export 'Trip to Rome' -o -     print one session
  hermes sessions export -o - | gzip >all.jsonl.gz";

/// A line of an export.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    /// A session. Its messages follow.
    Session {
        #[serde(flatten)]
        session: &'a Session,
        /// The parts of the system prompt.
        system: &'a [String],
    },
    /// A message.
    Message {
        session: &'a SessionId,
        #[serde(flatten)]
        message: &'a StoredMessage,
    },
}

pub(crate) async fn run(
    store: &Store,
    profile: &ProfileName,
    arguments: &Arguments,
) -> Result<ExitCode, Report> {
    let ids = match &arguments.session {
        Some(name) => vec![find(store, name).await?],
        None => {
            let sessions = store.list(Filter::default()).await.map_err(store_failed)?;
            sessions.into_iter().rev().map(|session| session.id).collect()
        }
    };
    if arguments.output.as_deref() == Some(Path::new("-")) {
        for id in &ids {
            write(store, id, |line| {
                output::json_lines(line);
                Ok(())
            })
            .await?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let date = &timestamp::rfc3339(SystemTime::now())[..10];
    let default = || format!("{profile}-sessions-{date}.jsonl").into();
    let path: PathBuf = arguments.output.clone().unwrap_or_else(default);
    let failed = |error: io::Error| {
        let report = Report::new(ReportKind::CannotWrite, format!("failed to write {}", path.display()));
        let exists = error.kind() == ErrorKind::AlreadyExists;
        let report = report.caused_by(error);
        if exists { report.hint("name another file, or add --force") } else { report }
    };
    let mut options = OpenOptions::new();
    // Conversations are for the account alone.
    options.write(true).mode(0o600);
    match arguments.force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let mut file = BufWriter::new(options.open(&path).map_err(failed)?);
    for id in &ids {
        write(store, id, |line| file.write_all(line.as_bytes()).map_err(failed)).await?;
    }
    file.flush().map_err(failed)?;
    say!("exported {} to {}", counted(ids.len() as u64, "session"), path.display());
    Ok(ExitCode::SUCCESS)
}

/// Passes the lines of a session to `put`.
async fn write(
    store: &Store,
    id: &SessionId,
    mut put: impl FnMut(&str) -> Result<(), Report>,
) -> Result<(), Report> {
    // Another process may have deleted it since.
    let Some(session) = store.session(id).await.map_err(store_failed)? else { return Ok(()) };
    put(&line(&Line::Session { session: &session, system: &session.system })?)?;
    let mut after = 0;
    loop {
        let page = store.messages(id, after, PAGE).await.map_err(store_failed)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for message in &page {
            put(&line(&Line::Message { session: id, message })?)?;
        }
    }
}

fn line(line: &Line<'_>) -> Result<String, Report> {
    let json = serde_json::to_string(line);
    let json = json.map_err(|error| {
        Report::new(ReportKind::Failed, "failed to encode a message as JSON").caused_by(error)
    })?;
    Ok(json + "\n")
}
