//! Imports the sessions of the Python program from its `state.db` (schema 22 to 30).
//!
//! The original is copied and never opened: SQLite would write beside it. Columns are read by their names, as far as they exist.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;

use super::error::Fault;
use super::handle::Store;
use super::ids::now_ms;
use super::message::{NewMessage, append};
use super::session;
use super::{NewSession, OnDisk, SessionId, StoreError, turn_rows};

mod copy;
mod message;
mod source;

pub use copy::CopyError;
use copy::{Copy, Mark};
use source::{OldMessage, OldSession, Source};

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The number of new sessions.
    pub sessions: u64,
    /// The number of their messages.
    pub messages: u64,
    /// Sentences about sessions and messages that could not be imported.
    pub skipped: Vec<String>,
}

impl Imported {
    /// Returns sentences for the user.
    pub(crate) fn notices(self, path: &Path) -> Vec<String> {
        let mut notices = Vec::new();
        if self.sessions > 0 {
            let sessions = counted(self.sessions, "session");
            let messages = counted(self.messages, "message");
            let path = path.display();
            notices.push(format!("Imported {sessions} ({messages}) from {path}, which is unchanged."));
        }
        notices.extend(self.skipped);
        notices
    }
}

fn counted(count: u64, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// The reason why an import failed. Sessions imported so far stay.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database could not be copied.
    #[error("failed to copy the database {}", path.display())]
    Copy {
        /// The database.
        path: PathBuf,
        /// The cause.
        source: CopyError,
    },
    /// The copy could not be read.
    #[error("failed to read the sessions of {}", path.display())]
    Read {
        /// The database.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// The database has no sessions.
    #[error("failed to import {}: it has no tables `sessions` and `messages` of hermes-agent", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Imports the sessions of a `state.db` that the store does not have. Does nothing if the file is missing, or is the one of the last
    /// import. Each session is one transaction. Meanwhile, other work on this handle waits.
    ///
    /// # Errors
    /// Fails if the file cannot be copied or read, or if the store fails.
    pub async fn import(&self, path: &Path) -> Result<Imported, ImportError> {
        let (path, database) = (path.to_owned(), self.path());
        self.run(move |connection| run(connection, &database, &path)).await?
    }
}

/// Imports the sessions of the `state.db` at `path` into the database of `connection`.
pub(crate) fn run(
    connection: &mut Connection,
    database: &Path,
    path: &Path,
) -> Result<Imported, ImportError> {
    let copying = |source| ImportError::Copy { path: path.to_owned(), source };
    let Some(mark) = Mark::of(path).map_err(copying)? else { return Ok(Imported::default()) };
    if is_imported(connection, path, mark).map_err(storing)? {
        return Ok(Imported::default());
    }
    let (copy, mark) = Copy::make(path, database).map_err(copying)?;
    let imported = import(connection, path, copy);
    if !matches!(imported, Err(ImportError::Store(_))) {
        // A file that cannot be read is reported once, until it changes.
        remember(connection, path, mark).map_err(storing)?;
    }
    imported
}

fn import(connection: &mut Connection, path: &Path, copy: Copy) -> Result<Imported, ImportError> {
    let reading = |source| ImportError::Read { path: path.to_owned(), source };
    let Some(source) = Source::open(copy).map_err(reading)? else {
        return Err(ImportError::Foreign { path: path.to_owned() });
    };
    let mut imported = Imported::default();
    for old in source.sessions().map_err(reading)? {
        let id = old.id.clone();
        let messages = match source.messages(&id) {
            Ok(messages) => messages,
            Err(error) => {
                imported.skipped.push(format!("Session {id} of {} cannot be read: {error}.", path.display()));
                continue;
            }
        };
        let Some(stored) = store(connection, old, messages)? else { continue };
        imported.sessions += 1;
        imported.messages += stored.messages;
        if stored.skipped > 0 {
            let skipped = counted(stored.skipped, "message");
            imported.skipped.push(format!("Left out {skipped} of session {id} in an unknown form."));
        }
    }
    Ok(imported)
}

/// Returns the error of the store during an import.
fn storing(source: rusqlite::Error) -> ImportError {
    StoreError::Operation { operation: "store the old sessions", source }.into()
}

fn is_imported(connection: &Connection, path: &Path, mark: Mark) -> rusqlite::Result<bool> {
    connection
        .prepare("SELECT 1 FROM imports WHERE source = ?1 AND size = ?2 AND modified = ?3")?
        .exists(params![path.to_string_lossy(), mark.size, mark.modified])
}

fn remember(connection: &Connection, path: &Path, mark: Mark) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO imports (source, size, modified, at) VALUES (?1, ?2, ?3, ?4)",
        params![path.to_string_lossy(), mark.size, mark.modified, now_ms()],
    )?;
    Ok(())
}

/// The counts of an imported session.
struct Stored {
    messages: u64,
    skipped: u64,
}

/// Imports one session in one transaction. Returns `None` if the store has it.
fn store(
    connection: &mut Connection,
    old: OldSession,
    messages: Vec<OldMessage>,
) -> Result<Option<Stored>, ImportError> {
    let transact = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let stored = insert(&transaction, old, messages)?;
        transaction.commit()?;
        Ok(stored)
    };
    transact().map_err(|fault| match fault {
        Fault::Sql(source) => storing(source),
        Fault::Store(error) => error.into(),
    })
}

fn insert(
    transaction: &Transaction<'_>,
    old: OldSession,
    messages: Vec<OldMessage>,
) -> Result<Option<Stored>, Fault> {
    let id = SessionId::from(old.id);
    if transaction.prepare_cached("SELECT 1 FROM sessions WHERE id = ?1")?.exists([id.as_str()])? {
        return Ok(None);
    }
    let is_taken = |title: &String| {
        transaction.prepare_cached("SELECT 1 FROM sessions WHERE title = ?1")?.exists([title])
    };
    let title = match old.title {
        Some(title) if is_taken(&title)? => Some(format!("{title} ({id})")),
        title => title,
    };
    let new = NewSession {
        source: old.source,
        model: old.model.clone(),
        system: old.system.into_iter().collect(),
        title,
        parent: old.parent.map(SessionId::from),
        id: None,
        history: Vec::new(),
        on_disk: OnDisk::AtOnce,
        depth: 0,
    };
    session::insert(transaction, &id, &new, old.started_at)?;
    turn_rows::count(transaction, &id, None, &old.model, &old.usage, old.started_at)?;
    let mut stored = Stored { messages: 0, skipped: 0 };
    for message in messages {
        let Some(old) = message::convert(message) else {
            stored.skipped += 1;
            continue;
        };
        let model = (old.message.role == crate::message::Role::Assistant).then_some(new.model.as_str());
        let row = NewMessage { model, hidden: old.hidden, at: old.at, ..NewMessage::of(&old.message) };
        append(transaction, &id, None, &row)?;
        stored.messages += 1;
    }
    Ok(Some(stored))
}
