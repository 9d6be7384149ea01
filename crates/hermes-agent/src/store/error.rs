//! The errors of the store.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::SessionId;

/// The reason why the store did not do its work. The database is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path is a directory, a symlink, a FIFO, a socket or a device.
    #[error("failed to open the database {}: it is a {kind}, not a file; remove it", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// The kind of the file.
        kind: &'static str,
    },
    /// The file could not be created or examined.
    #[error("failed to access the database {}", path.display())]
    Access {
        /// The path.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// SQLite could not open the file.
    #[error("failed to open the database {}", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// A newer version of this program wrote the database.
    #[error(
        "failed to open the database {}: a newer version of hermes wrote it (schema {found}, known up to {known}); use that version",
        path.display()
    )]
    Newer {
        /// The path.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The database is corrupt, and is or was in use.
    #[error(
        "failed to use the database {}: it is corrupt; stop all processes of the profile, and start again to set it aside",
        path.display()
    )]
    Corrupt {
        /// The path.
        path: PathBuf,
    },
    /// The corrupt database could not be renamed.
    #[error("failed to set aside the corrupt database {}", path.display())]
    SetAside {
        /// The path.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The thread of the database could not be started.
    #[error("failed to start the thread of the database")]
    Thread {
        /// The error of the system call.
        source: io::Error,
    },
    /// The thread of the database ended early.
    #[error("failed to reach the thread of the database: it ended")]
    Closed,
    /// SQLite could not perform an operation.
    #[error("failed to {operation}")]
    Operation {
        /// The operation: a verb and an object.
        operation: &'static str,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// A stored message is no message.
    #[error("failed to read message {message} of the database")]
    ReadMessage {
        /// The number of the message.
        message: i64,
        /// The error of the parser.
        source: serde_json::Error,
    },
    /// A message could not be written as JSON.
    #[error("failed to encode a message")]
    EncodeMessage {
        /// The error.
        source: serde_json::Error,
    },
    /// There is no such session.
    #[error("failed to find session {session}: it does not exist")]
    UnknownSession {
        /// The session.
        session: SessionId,
    },
    /// Another session has this title or ID.
    #[error("failed to store the session: another one has the ID or title {name:?}")]
    NameTaken {
        /// The ID or title.
        name: String,
    },
    /// The turn has ended or does not exist. Its owner died, or somebody ended it.
    #[error("failed to store a step of turn {turn}: it is not open")]
    TurnNotOpen {
        /// The turn.
        turn: i64,
    },
    /// A turn of the session runs.
    #[error(
        "failed to change session {session}: a turn of it runs in {owner} (process {pid}); stop it first"
    )]
    TurnRuns {
        /// The session.
        session: SessionId,
        /// The owner's description of itself.
        owner: String,
        /// The owner's process.
        pid: u32,
    },
}

/// The reason why no turn began.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// A turn of the session runs.
    #[error(
        "failed to begin a turn: one runs in {owner} (process {pid}); wait for its end, or continue in a copy of the session"
    )]
    Busy {
        /// The owner's description of itself.
        owner: String,
        /// The owner's process.
        pid: u32,
        /// The open turn.
        turn: super::TurnId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The reason why a name selects no session.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No session has this ID, prefix or title.
    #[error("failed to find session {name:?}: no session has this ID or title; run `hermes sessions list`")]
    None {
        /// The name.
        name: String,
    },
    /// Several sessions begin with this prefix.
    #[error("failed to find session {name:?}: {} match: {}", candidates.len(), join(candidates))]
    Ambiguous {
        /// The name.
        name: String,
        /// Some of the sessions, newest first.
        candidates: Vec<SessionId>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn join(candidates: &[SessionId]) -> String {
    candidates.iter().map(SessionId::as_str).collect::<Vec<_>>().join(", ")
}

/// An error inside of a transaction, before the operation is added to it.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Returns `true` if the error says that the file is no sound database.
pub(crate) fn is_corruption(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
