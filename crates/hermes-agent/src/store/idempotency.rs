//! Requests of the API with an `Idempotency-Key`: one of them runs, and a repetition gets the same response.

use rusqlite::{OptionalExtension, params};

use super::Store;
use super::error::StoreError;
use super::ids::now_ms;
use super::owner::{self, Owner};

/// The time that a response is kept, in milliseconds: 24 hours.
const KEPT: i64 = 24 * 60 * 60 * 1000;

/// The most responses that are kept.
const MOST: u32 = 1000;

/// The state of a request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// It is new, or its process died. The caller runs it, and calls [`Store::finish_request`] or [`Store::forget_request`].
    New,
    /// It runs.
    Running,
    /// It ended with this response.
    Done {
        /// The response, as it was stored.
        response: String,
    },
    /// The key belongs to another request.
    Mismatch,
}

impl Store {
    /// Begins a request. `fingerprint` is a digest of it.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn begin_request(
        &self,
        owner: &Owner,
        key: &str,
        fingerprint: &str,
    ) -> Result<Request, StoreError> {
        let (owner, path) = (owner.clone(), self.path());
        let (key, fingerprint) = (key.to_owned(), fingerprint.to_owned());
        self.write("begin a request with a key", move |transaction| {
            transaction
                .prepare_cached("DELETE FROM idempotency WHERE at < ?1")?
                .execute([now_ms() - KEPT])?;
            transaction
                .prepare_cached(
                    "DELETE FROM idempotency WHERE response IS NOT NULL AND key IN
                     (SELECT key FROM idempotency WHERE response IS NOT NULL ORDER BY at DESC LIMIT -1 OFFSET ?1)",
                )?
                .execute([MOST])?;
            let known: Option<(String, String, Option<String>)> = transaction
                .prepare_cached("SELECT fingerprint, owner, response FROM idempotency WHERE key = ?1")?
                .query_row([&key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            match known {
                Some((known, _, _)) if known != fingerprint => return Ok(Request::Mismatch),
                Some((_, _, Some(response))) => return Ok(Request::Done { response }),
                Some((_, of, None)) if owner::is_alive(&path, &of) => return Ok(Request::Running),
                _ => {}
            }
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO idempotency (key, fingerprint, owner, at) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![key, fingerprint, owner.id(), now_ms()])?;
            Ok(Request::New)
        })
        .await
    }

    /// Stores the response of a request. Repetitions get it for 24 hours.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn finish_request(&self, key: &str, response: &str) -> Result<(), StoreError> {
        let (key, response) = (key.to_owned(), response.to_owned());
        self.write("store the response of a request", move |transaction| {
            transaction
                .prepare_cached("UPDATE idempotency SET response = ?2 WHERE key = ?1")?
                .execute([key, response])?;
            Ok(())
        })
        .await
    }

    /// Forgets a request that failed, so that a repetition runs it again.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn forget_request(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write("forget a request", move |transaction| {
            transaction
                .prepare_cached("DELETE FROM idempotency WHERE key = ?1 AND response IS NULL")?
                .execute([key])?;
            Ok(())
        })
        .await
    }
}
