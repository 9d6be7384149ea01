//! The conversation of a session: read, compacted, taken back, copied. No method deletes a message.

use rusqlite::params;

use super::error::StoreError;
use super::handle::Store;
use super::ids::{SessionId, now_ms};
use super::message::{COLUMNS, Hidden, NewMessage, StoredMessage, append, collect};
use super::words::word;
use super::{session, turn, turn_rows};
use crate::message::{Message, Role, Usage};

impl Store {
    /// Returns the conversation that the model sees. [`crate::repair::sendable`] makes it ready for a provider.
    ///
    /// # Errors
    /// Fails if there is no such session, or if the database fails.
    pub async fn conversation(&self, id: &SessionId) -> Result<Vec<StoredMessage>, StoreError> {
        let id = id.clone();
        self.read("read a conversation", move |transaction| {
            session::require(transaction, &id)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM messages WHERE session = ?1 AND hidden IS NULL ORDER BY summary DESC, id"
            );
            collect(transaction, &sql, params![id.as_str()])
        })
        .await
    }

    /// Returns messages of a session in the order of their storage, hidden ones included: those after number `after`, at most `limit`.
    ///
    /// # Errors
    /// Fails if there is no such session, or if the database fails.
    pub async fn messages(
        &self,
        id: &SessionId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let id = id.clone();
        self.read("read messages", move |transaction| {
            session::require(transaction, &id)?;
            let sql =
                format!("SELECT {COLUMNS} FROM messages WHERE session = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
            collect(transaction, &sql, params![id.as_str(), after, limit])
        })
        .await
    }

    /// Returns messages of a session in the order of their storage, hidden ones included: the last ones before number `before`, at most
    /// `limit`.
    ///
    /// # Errors
    /// Fails if there is no such session, or if the database fails.
    pub async fn messages_before(
        &self,
        id: &SessionId,
        before: i64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let id = id.clone();
        self.read("read earlier messages", move |transaction| {
            session::require(transaction, &id)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM messages WHERE session = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
            );
            let mut earlier = collect(transaction, &sql, params![id.as_str(), before, limit])?;
            earlier.reverse();
            Ok(earlier)
        })
        .await
    }

    /// Returns the last messages of users and assistants in a session, at most `limit`, in the order of their storage. Those that a user
    /// took back are left out, and those that a compaction wrote.
    ///
    /// # Errors
    /// Fails if there is no such session, or if the database fails.
    pub async fn last_messages(&self, id: &SessionId, limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        let id = id.clone();
        self.read("read the last messages", move |transaction| {
            session::require(transaction, &id)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM messages
                 WHERE session = ?1 AND text IS NOT NULL AND hidden IS NOT ?3 ORDER BY id DESC LIMIT ?2"
            );
            let mut last = collect(transaction, &sql, params![id.as_str(), limit, word(&Hidden::Undone)])?;
            last.reverse();
            Ok(last)
        })
        .await
    }

    /// Replaces the visible conversation by a shorter one: hides its messages from the model, and appends `history`. `usage` counts
    /// the model call that wrote the summary.
    ///
    /// # Errors
    /// Fails if there is no such session, or if the database fails.
    pub async fn compact(
        &self,
        id: &SessionId,
        history: Vec<Message>,
        usage: Option<(String, Usage)>,
    ) -> Result<(), StoreError> {
        let id = id.clone();
        self.write("compact a session", move |transaction| {
            session::require(transaction, &id)?;
            transaction
                .prepare_cached("UPDATE messages SET hidden = ?2 WHERE session = ?1 AND hidden IS NULL")?
                .execute(params![id.as_str(), word(&Hidden::Compacted)])?;
            let open = turn_rows::open_turn(transaction, &id)?.map(|open| open.turn);
            for message in &history {
                append(transaction, &id, open, &NewMessage { summary: true, ..NewMessage::of(message) })?;
            }
            if let Some((model, usage)) = &usage {
                turn_rows::count(transaction, &id, open, model, usage, now_ms())?;
                transaction
                    .execute("UPDATE model_calls SET compaction = 1 WHERE id = last_insert_rowid()", [])?;
            }
            Ok(())
        })
        .await
    }

    /// Takes back the last turn: hides its messages from the model. Returns the user's message that began it, or `None` if the model
    /// sees no turn. A turn before the last compaction cannot be taken back.
    ///
    /// # Errors
    /// Fails if a turn of the session runs, or if the database fails.
    pub async fn undo(&self, id: &SessionId) -> Result<Option<Message>, StoreError> {
        let (id, path) = (id.clone(), self.path());
        self.write("take back a turn", move |transaction| {
            session::require(transaction, &id)?;
            turn::require_no_turn(transaction, &path, &id)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM messages WHERE session = ?1 AND hidden IS NULL AND NOT summary ORDER BY id"
            );
            let visible = collect(transaction, &sql, params![id.as_str()])?;
            let Some(last) = visible.iter().rfind(|stored| stored.message.role == Role::User) else {
                return Ok(None);
            };
            // A turn may hold several messages of the user.
            let same = |stored: &&StoredMessage| stored.turn.is_some() && stored.turn == last.turn;
            let first = visible.iter().find(same).unwrap_or(last);
            transaction
                .prepare_cached(
                    "UPDATE messages SET hidden = ?3 WHERE session = ?1 AND id >= ?2 AND hidden IS NULL AND NOT summary",
                )?
                .execute(params![id.as_str(), first.id, word(&Hidden::Undone)])?;
            Ok(Some(first.message.clone()))
        })
        .await
    }

    /// Copies the visible conversation of a session into a new one, and returns its ID.
    ///
    /// # Errors
    /// Fails if there is no such session, or if the database fails.
    pub async fn fork(&self, id: &SessionId) -> Result<SessionId, StoreError> {
        let (id, now) = (id.clone(), std::time::SystemTime::now());
        self.write("copy a session", move |transaction| {
            session::require(transaction, &id)?;
            let copy = SessionId::generate(now);
            transaction.execute(
                "INSERT INTO sessions (id, source, model, parent, created_at, active_at)
                 SELECT ?2, source, model, id, ?3, ?3 FROM sessions WHERE id = ?1",
                params![id.as_str(), copy.as_str(), now_ms()],
            )?;
            transaction.execute(
                "INSERT INTO prompts (session, parts) SELECT ?2, parts FROM prompts WHERE session = ?1",
                params![id.as_str(), copy.as_str()],
            )?;
            transaction.execute(
                "INSERT INTO messages (session, at, role, blocks, text, model, interrupted, summary)
                 SELECT ?2, at, role, blocks, text, model, interrupted, summary FROM messages
                 WHERE session = ?1 AND hidden IS NULL ORDER BY summary DESC, id",
                params![id.as_str(), copy.as_str()],
            )?;
            Ok(copy)
        })
        .await
    }
}
