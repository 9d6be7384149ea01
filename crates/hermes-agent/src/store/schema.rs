//! The tables, and the steps from each version to the next one.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The steps. A step is never changed once a release has it.
const STEPS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The newest version.
#[expect(clippy::cast_possible_wrap, reason = "there are few steps")]
pub(crate) const NEWEST: i64 = STEPS.len() as i64;

/// Returns the version of the database. 0 means that it is new.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings the database to the newest version. Another process may do the same at one time.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    if version(connection)? >= NEWEST {
        return Ok(());
    }
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let done = usize::try_from(version(&transaction)?).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", NEWEST)?;
    transaction.commit()
}
