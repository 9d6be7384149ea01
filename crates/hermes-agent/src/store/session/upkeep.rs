//! Changes of whole sessions, and sums over all of them.

use rusqlite::params;
use serde::Serialize;

use super::{Filter, name_taken, require};
use crate::message::Usage;
use crate::store::error::StoreError;
use crate::store::{SessionId, Store, owner, turn, turn_rows};

/// Sums over all sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The number of sessions.
    pub sessions: u64,
    /// The number of messages, hidden ones included. Summaries and copies of a compaction do not count.
    pub messages: u64,
    /// The number of turns.
    pub turns: u64,
    /// The number of model calls.
    pub model_calls: u64,
    /// The tokens of all model calls.
    pub usage: Usage,
    /// The size of the database, in bytes.
    pub bytes: u64,
    /// The sums of each source, by name.
    pub sources: Vec<SourceStats>,
}

/// Sums over the sessions of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceStats {
    /// The surface that began them.
    pub source: String,
    /// The number of sessions.
    pub sessions: u64,
    /// The time of the newest activity, in milliseconds since 1970.
    pub active_at: i64,
}

impl Store {
    /// Gives a session a title, or removes it.
    ///
    /// # Errors
    /// Fails if there is no such session, if another one has the title, or if the database fails.
    pub async fn rename(&self, id: &SessionId, title: Option<String>) -> Result<(), StoreError> {
        let id = id.clone();
        self.write("rename a session", move |transaction| {
            require(transaction, &id)?;
            let renamed = transaction
                .execute("UPDATE sessions SET title = ?2 WHERE id = ?1", params![id.as_str(), title]);
            renamed.map_err(|error| name_taken(error, title.as_deref().unwrap_or_default()))?;
            Ok(())
        })
        .await
    }

    /// Deletes a session with its messages, turns and usage.
    ///
    /// # Errors
    /// Fails if there is no such session, if a turn of it runs, or if the database fails.
    pub async fn delete(&self, id: &SessionId) -> Result<(), StoreError> {
        let (deleted, path) = (id.clone(), self.path());
        self.write_with(self.temporary.of_session(id), "delete a session", move |transaction| {
            require(transaction, &deleted)?;
            turn::require_no_turn(transaction, &path, &deleted)?;
            transaction.execute("DELETE FROM sessions WHERE id = ?1", [deleted.as_str()])?;
            Ok(())
        })
        .await?;
        self.temporary.remove(id);
        Ok(())
    }

    /// Deletes the sessions that pass the filter, except those with a running turn. Returns the deleted ones.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn prune(&self, filter: Filter) -> Result<Vec<SessionId>, StoreError> {
        let sessions = self.list(filter.clone()).await?;
        let path = self.path();
        self.write("delete sessions", move |transaction| {
            let mut deleted = Vec::new();
            for session in sessions {
                let is_running = turn_rows::open_turn(transaction, &session.id)?
                    .is_some_and(|open| owner::is_alive(&path, &open.owner));
                if is_running {
                    continue;
                }
                // A message may have come since the list was made.
                let count = transaction
                    .prepare_cached("DELETE FROM sessions WHERE id = ?1 AND (?2 IS NULL OR active_at < ?2)")?
                    .execute(params![session.id.as_str(), filter.inactive_since])?;
                if count > 0 {
                    deleted.push(session.id);
                }
            }
            Ok(deleted)
        })
        .await
    }

    /// Returns sums over all sessions.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        self.read("count the sessions", |transaction| {
            let count = |sql: &str| {
                let count: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
                Ok::<_, rusqlite::Error>(count.unsigned_abs())
            };
            let sum = |column: &str| count(&format!("SELECT coalesce(sum({column}), 0) FROM model_calls"));
            let mut statement = transaction.prepare(
                "SELECT source, count(*), max(active_at) FROM sessions GROUP BY source ORDER BY source",
            )?;
            let sources = statement.query_map([], |row| {
                let sessions: i64 = row.get(1)?;
                Ok(SourceStats {
                    source: row.get(0)?,
                    sessions: sessions.unsigned_abs(),
                    active_at: row.get(2)?,
                })
            })?;
            Ok(Stats {
                sessions: count("SELECT count(*) FROM sessions")?,
                messages: count("SELECT count(*) FROM messages WHERE NOT summary")?,
                turns: count("SELECT count(*) FROM turns")?,
                model_calls: count("SELECT count(*) FROM model_calls")?,
                usage: Usage {
                    input: sum("input")?,
                    cached: sum("cached")?,
                    cache_written: sum("cache_written")?,
                    output: sum("output")?,
                    reasoning: sum("reasoning")?,
                },
                bytes: count("PRAGMA page_count")? * count("PRAGMA page_size")?,
                sources: sources.collect::<Result<_, _>>()?,
            })
        })
        .await
    }
}
