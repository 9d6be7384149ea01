//! Sessions, messages, turns and usage of one profile, in one SQLite database (`hermes.db`).
//!
//! Several processes use the file at one time. Each of them has a [`Store`]: a thread that owns the connection, and handles that send
//! their work to it. Every method is one transaction. After a kill at any moment, the database holds each transaction wholly or not
//! at all, and [`Store::fold_dead_turns`] closes the turns of dead processes.
//!
//! The history only grows. Compaction and undo mark messages as hidden from the model; they delete no row.

use std::path::Path;

mod approval;
mod budget;
mod durability;
mod error;
mod fold;
mod handle;
mod history;
mod idempotency;
mod ids;
mod import;
mod message;
mod open;
mod owner;
mod schema;
mod search;
mod session;
mod turn;
mod turn_rows;
mod usage;
mod words;
mod worker;

#[cfg(test)]
mod tests;

pub use approval::{AllowedCall, Answered, NewApproval};
pub use budget::{Limit, Reservation, ReserveError, Used};
pub use durability::OnDisk;
pub use error::{BeginError, FindError, StoreError};
pub use fold::Folded;
pub use handle::Store;
pub use idempotency::Request;
pub use ids::{SessionId, TurnId};
pub use import::{CopyError, ImportError, Imported};
pub use message::{Hidden, StoredMessage};
pub use owner::{Owner, OwnerError};
pub use search::{Hit, Order};
pub use session::{Filter, NewSession, Session, SourceStats, Stats};
pub use turn::{Change, ModelCallRecord, ToolRunRecord, TurnRecord};
pub use turn_rows::RunState;
pub use usage::DayUsage;

/// The name of the database in the directory of a profile.
pub const FILE: &str = "hermes.db";

/// The name of the database of the Python program there.
const PYTHON_FILE: &str = "state.db";

/// An opened database.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub store: Store,
    /// Sentences for the user about unusual findings, as a corrupt file that was set aside.
    pub notices: Vec<String>,
}

impl Store {
    /// Opens the database at `path`, and creates it if it is missing. Sets a corrupt database aside and begins a new one. Imports the
    /// sessions of the Python program's `state.db` beside it, once. An import that fails is a notice.
    ///
    /// # Errors
    /// Fails if the path is no regular file, if the database cannot be opened, or if a newer version of this program wrote it.
    pub fn open(path: &Path) -> Result<Opened, StoreError> {
        let (mut held, mut notices) = open::open(path)?;
        let old = path.with_file_name(PYTHON_FILE);
        match import::run(&mut held.connection, path, &old) {
            Ok(imported) => notices.extend(imported.notices(&old)),
            Err(ImportError::Store(error)) => return Err(error),
            Err(error) => notices.push(sentence(&error)),
        }
        Ok(Opened { store: Self::start(path.to_owned(), held)?, notices })
    }
}

/// Returns an error and its causes as one sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
