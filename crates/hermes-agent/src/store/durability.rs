//! The moment from which data must survive a power failure. A kill of the process never undoes a transaction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::error::Fault;
use super::{SessionId, TurnId};

/// The moment from which a session survives a power failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDisk {
    /// From its creation on.
    #[default]
    AtOnce,
    /// From the begin of its first turn on, which follows at once.
    WithFirstTurn,
    /// Never: it ends with its request.
    Never,
}

/// The moment at which a transaction is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// At its end.
    Now,
    /// At the end of a later transaction.
    Later,
}

impl OnDisk {
    pub(crate) fn creation(self) -> Durability {
        if self == Self::AtOnce { Durability::Now } else { Durability::Later }
    }
}

/// The sessions of this process that never need to be on the disk, with their open turns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Temporary {
    turns: Arc<Mutex<HashMap<SessionId, Option<TurnId>>>>,
}

impl Temporary {
    pub(crate) fn add(&self, session: SessionId) {
        self.turns().insert(session, None);
    }

    pub(crate) fn remove(&self, session: &SessionId) {
        self.turns().remove(session);
    }

    /// Notes the open turn of a session, if the session is temporary.
    pub(crate) fn begin_turn(&self, session: &SessionId, turn: TurnId) {
        if let Some(open) = self.turns().get_mut(session) {
            *open = Some(turn);
        }
    }

    pub(crate) fn of_session(&self, session: &SessionId) -> Durability {
        if self.turns().contains_key(session) { Durability::Later } else { Durability::Now }
    }

    pub(crate) fn of_turn(&self, turn: TurnId) -> Durability {
        let is_temporary = self.turns().values().any(|open| *open == Some(turn));
        if is_temporary { Durability::Later } else { Durability::Now }
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<SessionId, Option<TurnId>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` with this durability. Without a write-ahead log, each transaction waits for the disk: a power failure could else
/// corrupt the database (<https://sqlite.org/pragma.html#pragma_synchronous>).
pub(crate) fn with<T>(
    durability: Durability,
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if durability == Durability::Now || !has_log(connection)? {
        return work(connection);
    }
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    let result = work(connection);
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    result
}

fn has_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    Ok(mode == "wal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synchronous(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn only_one_transaction_is_later_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(folder.path().join("a.db")).unwrap();
        connection.execute_batch("PRAGMA synchronous = FULL").unwrap();
        let seen = |durability, connection: &mut Connection| {
            with(durability, connection, |connection| Ok(synchronous(connection))).unwrap()
        };
        assert_eq!(seen(Durability::Later, &mut connection), 2, "without a log");
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        assert_eq!(seen(Durability::Later, &mut connection), 1);
        assert_eq!(seen(Durability::Now, &mut connection), 2);
        let failed = with(Durability::Later, &mut connection, |_| {
            Err::<(), _>(Fault::from(rusqlite::Error::InvalidQuery))
        });
        assert!(failed.is_err());
        assert_eq!(synchronous(&connection), 2);
    }

    #[test]
    fn a_temporary_session_covers_its_open_turn() {
        let temporary = Temporary::default();
        let (one, other) = (SessionId::from("one"), SessionId::from("other"));
        temporary.add(one.clone());
        temporary.begin_turn(&one, TurnId(1));
        temporary.begin_turn(&other, TurnId(2));
        assert_eq!(temporary.of_session(&one), Durability::Later);
        assert_eq!(temporary.of_turn(TurnId(1)), Durability::Later);
        assert_eq!(temporary.of_session(&other), Durability::Now);
        assert_eq!(temporary.of_turn(TurnId(2)), Durability::Now);
        temporary.remove(&one);
        assert_eq!(temporary.of_turn(TurnId(1)), Durability::Now);
    }
}
