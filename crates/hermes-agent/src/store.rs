//! Sessions, messages, turns and usage of one profile, in one SQLite database (`hermes.db`).
//!
//! Several processes use the file at one time. Each of them has a [`Store`]: a thread that owns the connection, and handles that send
//! their work to it. Every method is one transaction. After a kill at any moment, the database holds each transaction wholly or not
//! at all, and [`Store::fold_dead_turns`] closes the turns of dead processes.
//!
//! The history only grows. Compaction and undo mark messages as hidden from the model; they delete no row.

use std::path::{Path, PathBuf};
use std::sync::Arc;

mod budget;
mod error;
mod fold;
mod history;
mod idempotency;
mod ids;
mod open;
mod owner;
mod schema;
mod search;
mod session;
mod turn;
mod words;
mod worker;

#[cfg(test)]
mod tests;

pub use budget::{Limit, Reservation, ReserveError, Used};
pub use error::{BeginError, FindError, StoreError};
pub use fold::Folded;
pub use history::{Hidden, StoredMessage};
pub use idempotency::Request;
pub use ids::{SessionId, TurnId};
pub use open::set_aside;
pub use owner::{Owner, OwnerError};
pub use search::Hit;
pub use session::{Filter, NewSession, Session, SourceStats, Stats};
pub use turn::{Change, ModelCallRecord, RunState, ToolRunRecord, TurnRecord};

/// A handle on the database of a profile. Clones share one connection. The last one closes it.
#[derive(Clone, Debug)]
pub struct Store {
    worker: Arc<worker::Worker>,
}

/// An opened database.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub store: Store,
    /// Sentences for the user about unusual findings, as a corrupt file that was set aside.
    pub notices: Vec<String>,
}

impl Store {
    /// Opens the database at `path`, and creates it if it is missing. Sets a corrupt database aside and begins a new one.
    ///
    /// # Errors
    /// Fails if the path is no regular file, if the database cannot be opened, or if a newer version of this program wrote it.
    pub fn open(path: &Path) -> Result<Opened, StoreError> {
        let (connection, notices) = open::open(path)?;
        let worker = worker::Worker::start(path.to_owned(), connection)?;
        Ok(Opened { store: Self { worker: Arc::new(worker) }, notices })
    }

    /// Returns the path of the database.
    pub fn path(&self) -> PathBuf {
        self.worker.path().to_owned()
    }
}
