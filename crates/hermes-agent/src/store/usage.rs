//! The tokens of the model calls of each day.

use rusqlite::params;
use serde::Serialize;

use super::error::StoreError;
use super::handle::Store;
use crate::message::Usage;

/// The calls of one model on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayUsage {
    /// The day (UTC, as `2026-11-28`).
    pub day: String,
    /// The model.
    pub model: String,
    /// The number of calls.
    pub calls: u64,
    /// Their tokens.
    pub usage: Usage,
}

impl Store {
    /// Returns the calls of stored sessions since a time in milliseconds since 1970, newest day first. Calls of deleted sessions are gone.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn usage_by_day(&self, since: i64) -> Result<Vec<DayUsage>, StoreError> {
        self.read("count the tokens of days", move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT date(at / 1000, 'unixepoch') AS day, model, count(*), sum(input), sum(cached), sum(cache_written),
                     sum(output), sum(reasoning)
                 FROM model_calls WHERE at >= ?1 GROUP BY day, model ORDER BY day DESC, model",
            )?;
            let days = statement.query_map(params![since], |row| {
                let count = |column: usize| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
                Ok(DayUsage {
                    day: row.get(0)?,
                    model: row.get(1)?,
                    calls: count(2)?,
                    usage: Usage {
                        input: count(3)?,
                        cached: count(4)?,
                        cache_written: count(5)?,
                        output: count(6)?,
                        reasoning: count(7)?,
                    },
                })
            })?;
            Ok(days.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }
}
