//! Imports the sessions of the Python program from its `state.db` (schema 22 to 30).
//!
//! The original is copied and never opened: SQLite would write beside it. Columns are read by their names, as far as they exist.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::error::Fault;
use super::ids::now_ms;
use super::session;
use super::{NewSession, SessionId, Store, StoreError, history, turn};

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
    /// import. Each session is one transaction.
    ///
    /// # Errors
    /// Fails if the file cannot be copied or read, or if the store fails.
    pub async fn import(&self, path: &Path) -> Result<Imported, ImportError> {
        let copying = |source| ImportError::Copy { path: path.to_owned(), source };
        let reading = |source| ImportError::Read { path: path.to_owned(), source };
        let Some(mark) = Mark::of(path).map_err(copying)? else { return Ok(Imported::default()) };
        if self.is_imported(path, mark).await? {
            return Ok(Imported::default());
        }
        let (from, beside) = (path.to_owned(), self.path());
        // On the thread of the store, since it may take seconds.
        let copied = self.read("copy the old sessions", move |_| Ok(Copy::make(&from, &beside))).await?;
        let (copy, mark) = copied.map_err(copying)?;
        let source = Source::open(copy).map_err(reading)?;
        let Some(source) = source else { return Err(ImportError::Foreign { path: path.to_owned() }) };
        let sessions = source.sessions().map_err(reading)?;
        let source = Arc::new(Mutex::new(source));
        let mut imported = Imported::default();
        for old in sessions {
            let (id, source) = (old.id.clone(), Arc::clone(&source));
            let stored = self
                .write("import a session", move |transaction| {
                    let source = source.lock().unwrap_or_else(PoisonError::into_inner);
                    // An error of the copy says nothing about the store.
                    match source.messages(&old.id) {
                        Ok(messages) => Ok(Ok(store(transaction, old, messages)?)),
                        Err(error) => Ok(Err(error)),
                    }
                })
                .await?;
            match stored {
                Ok(None) => {}
                Ok(Some(stored)) => {
                    imported.sessions += 1;
                    imported.messages += stored.messages;
                    if stored.skipped > 0 {
                        let of = stored.skipped;
                        imported.skipped.push(format!("{of} messages of session {id} have no known form."));
                    }
                }
                Err(error) => imported.skipped.push(format!("Session {id} cannot be read: {error}.")),
            }
        }
        self.remember(path, mark).await?;
        Ok(imported)
    }

    async fn is_imported(&self, path: &Path, mark: Mark) -> Result<bool, StoreError> {
        let path = path.to_string_lossy().into_owned();
        self.read("read the last import", move |transaction| {
            let known: Option<Mark> = transaction
                .prepare_cached("SELECT size, modified FROM imports WHERE source = ?1")?
                .query_row([path], |row| Ok(Mark { size: row.get(0)?, modified: row.get(1)? }))
                .optional()?;
            Ok(known == Some(mark))
        })
        .await
    }

    async fn remember(&self, path: &Path, mark: Mark) -> Result<(), StoreError> {
        let path = path.to_string_lossy().into_owned();
        self.write("note the import", move |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO imports (source, size, modified, at) VALUES (?1, ?2, ?3, ?4)",
                params![path, mark.size, mark.modified, now_ms()],
            )?;
            Ok(())
        })
        .await
    }
}

/// The counts of an imported session.
struct Stored {
    messages: u64,
    skipped: u64,
}

/// Imports one session. Returns `None` if the store has it.
fn store(
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
    };
    session::insert(transaction, &id, &new, old.started_at)?;
    turn::count(transaction, &id, None, &old.model, &old.usage, old.started_at)?;
    let mut stored = Stored { messages: 0, skipped: 0 };
    for message in messages {
        let Some(old) = message::convert(message) else {
            stored.skipped += 1;
            continue;
        };
        let model = (old.message.role == crate::message::Role::Assistant).then_some(new.model.as_str());
        let row = history::NewMessage {
            model,
            hidden: old.hidden,
            at: old.at,
            ..history::NewMessage::of(&old.message)
        };
        history::append(transaction, &id, None, &row)?;
        stored.messages += 1;
    }
    Ok(Some(stored))
}
