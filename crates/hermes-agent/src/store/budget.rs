//! The ledger of the daily budget: reservations before a model call, the reported use after it.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::Store;
use super::error::{Fault, StoreError};
use super::owner::{self, Owner};

/// The limit of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limit {
    /// The most tokens.
    pub tokens: Option<u64>,
    /// The most US dollars.
    pub usd: Option<f64>,
}

impl Limit {
    /// Returns `true` if the use is above the limit.
    pub fn is_exceeded(&self, tokens: u64, usd: f64) -> bool {
        self.tokens.is_some_and(|most| tokens > most) || self.usd.is_some_and(|most| usd > most)
    }
}

/// The use of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Used {
    /// The tokens of the calls that ended.
    pub tokens: u64,
    /// Their price in US dollars, as far as it is known.
    pub usd: f64,
    /// The tokens that running calls reserve.
    pub reserved_tokens: u64,
    /// The US dollars that running calls reserve.
    pub reserved_usd: f64,
}

/// A reserved part of the budget. [`Store::settle`] replaces it by the real use. If the process dies, it counts no more.
#[derive(Debug)]
#[must_use = "a reservation counts until it is settled"]
pub struct Reservation {
    id: i64,
    day: String,
}

/// The reason why nothing was reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The budget does not suffice.
    #[error("failed to reserve tokens for a model call: the budget of {day} is used up")]
    Exhausted {
        /// The day.
        day: String,
        /// Its use.
        used: Used,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Reserves tokens and US dollars of the budget of `day` (UTC, as `2026-11-28`) for one model call.
    ///
    /// # Errors
    /// Fails if the use of the day, all reservations and this one together exceed the limit, or if the database fails.
    pub async fn reserve(
        &self,
        owner: &Owner,
        day: &str,
        tokens: u64,
        usd: f64,
        limit: Limit,
    ) -> Result<Reservation, ReserveError> {
        let (owner, day, path) = (owner.clone(), day.to_owned(), self.path());
        let reserved = self.write("reserve a part of the budget", move |transaction| {
            let owners: Vec<String> = transaction
                .prepare_cached("SELECT DISTINCT owner FROM reservations WHERE owner <> ?1")?
                .query_map([owner.id()], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for dead in owners.iter().filter(|other| !owner::is_alive(&path, other)) {
                transaction.execute("DELETE FROM reservations WHERE owner = ?1", [dead])?;
            }
            let used = used(transaction, &day)?;
            let all_tokens = used.tokens.saturating_add(used.reserved_tokens).saturating_add(tokens);
            let all_usd = used.usd + used.reserved_usd + usd;
            if limit.is_exceeded(all_tokens, all_usd) {
                return Ok(Err(ReserveError::Exhausted { day, used }));
            }
            transaction
                .prepare_cached("INSERT INTO reservations (day, tokens, usd, owner) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![day, to_column(tokens), usd, owner.id()])?;
            Ok(Ok(Reservation { id: transaction.last_insert_rowid(), day }))
        });
        reserved.await?
    }

    /// Replaces a reservation by the real use of its call. A call that failed settles with 0.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn settle(&self, reservation: Reservation, tokens: u64, usd: f64) -> Result<(), StoreError> {
        self.write("settle a part of the budget", move |transaction| {
            transaction
                .prepare_cached("DELETE FROM reservations WHERE id = ?1")?
                .execute([reservation.id])?;
            charge(transaction, &reservation.day, tokens, usd)
        })
        .await
    }

    /// Adds tokens and US dollars that were not reserved to the use of `day` (UTC, as `2026-11-28`). Returns the use.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn charge(&self, day: &str, tokens: u64, usd: f64) -> Result<Used, StoreError> {
        let day = day.to_owned();
        self.write("charge the budget", move |transaction| {
            charge(transaction, &day, tokens, usd)?;
            used(transaction, &day)
        })
        .await
    }

    /// Returns the use of a day (UTC, as `2026-11-28`).
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn used(&self, day: &str) -> Result<Used, StoreError> {
        let day = day.to_owned();
        self.read("read the use of a day", move |transaction| used(transaction, &day)).await
    }
}

fn charge(transaction: &Transaction<'_>, day: &str, tokens: u64, usd: f64) -> Result<(), Fault> {
    transaction
        .prepare_cached(
            "INSERT INTO budget_days (day, tokens, usd) VALUES (?1, ?2, ?3)
             ON CONFLICT (day) DO UPDATE SET tokens = tokens + excluded.tokens, usd = usd + excluded.usd",
        )?
        .execute(params![day, to_column(tokens), usd])?;
    Ok(())
}

fn used(transaction: &Transaction<'_>, day: &str) -> Result<Used, Fault> {
    let pair = |row: &rusqlite::Row<'_>| {
        let tokens: i64 = row.get(0)?;
        Ok((u64::try_from(tokens).unwrap_or(0), row.get::<_, f64>(1)?))
    };
    let settled = transaction
        .prepare_cached("SELECT tokens, usd FROM budget_days WHERE day = ?1")?
        .query_row([day], pair)
        .optional()?;
    let (tokens, usd) = settled.unwrap_or_default();
    let (reserved_tokens, reserved_usd) = transaction
        .prepare_cached("SELECT coalesce(sum(tokens), 0), total(usd) FROM reservations WHERE day = ?1")?
        .query_row([day], pair)?;
    Ok(Used { tokens, usd, reserved_tokens, reserved_usd })
}

/// Returns a count that no sum of a day can overflow.
fn to_column(tokens: u64) -> i64 {
    i64::from(u32::try_from(tokens).unwrap_or(u32::MAX))
}
