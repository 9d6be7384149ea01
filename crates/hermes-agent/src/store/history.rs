//! Messages: appended, read, hidden from the model. No method deletes one.

use rusqlite::{Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::error::{Fault, StoreError};
use super::ids::{SessionId, TurnId, now_ms};
use super::words::{value, word};
use super::{Store, session, turn};
use crate::message::{Block, Message, Role, Usage};

/// The columns of a message.
const COLUMNS: &str = "id, turn, at, role, blocks, model, interrupted, summary, hidden";

/// The reason why the model does not see a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hidden {
    /// A summary stands for it.
    Compacted,
    /// The user took it back.
    Undone,
}

/// A message of the store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredMessage {
    /// The number. It grows with the time.
    pub id: i64,
    /// The turn. `None` for imported messages.
    pub turn: Option<TurnId>,
    /// The time, in milliseconds since 1970.
    pub at: i64,
    /// The message.
    pub message: Message,
    /// The model that wrote it.
    pub model: Option<String>,
    /// `true` if it is the part of an answer that was interrupted.
    pub interrupted: bool,
    /// `true` if a compaction wrote it: a summary, or the copy of a message that stays.
    pub summary: bool,
    /// The reason why the model does not see it.
    pub hidden: Option<Hidden>,
}

/// A message to append.
pub(crate) struct NewMessage<'a> {
    pub(crate) message: &'a Message,
    pub(crate) model: Option<&'a str>,
    pub(crate) interrupted: bool,
    pub(crate) summary: bool,
    pub(crate) hidden: Option<Hidden>,
    pub(crate) at: i64,
}

impl<'a> NewMessage<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        Self { message, model: None, interrupted: false, summary: false, hidden: None, at: now_ms() }
    }
}

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
            let open = turn::open_turn(transaction, &id)?.map(|open| open.turn);
            for message in &history {
                append(transaction, &id, open, &NewMessage { summary: true, ..NewMessage::of(message) })?;
            }
            if let Some((model, usage)) = &usage {
                turn::count(transaction, &id, open, model, usage, now_ms())?;
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

/// Appends a message, and returns its number.
pub(crate) fn append(
    transaction: &Transaction<'_>,
    session: &SessionId,
    turn: Option<TurnId>,
    new: &NewMessage<'_>,
) -> Result<i64, Fault> {
    let message = new.message;
    let blocks =
        serde_json::to_string(&message.blocks).map_err(|source| StoreError::EncodeMessage { source })?;
    let text = match message.role {
        // The originals are in the index already.
        _ if new.summary => None,
        Role::User | Role::Assistant => Some(message.plain_text()).filter(|text| !text.is_empty()),
        Role::Tool => None,
    };
    transaction
        .prepare_cached(
            "INSERT INTO messages (session, turn, at, role, blocks, text, model, interrupted, summary, hidden)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            session.as_str(),
            turn.map(|turn| turn.0),
            new.at,
            word(&message.role),
            blocks,
            text,
            new.model,
            new.interrupted,
            new.summary,
            new.hidden.as_ref().map(word),
        ])?;
    let id = transaction.last_insert_rowid();
    transaction
        .prepare_cached("UPDATE sessions SET active_at = max(active_at, ?2) WHERE id = ?1")?
        .execute(params![session.as_str(), new.at])?;
    Ok(id)
}

/// Returns the messages of a turn, in order.
pub(crate) fn of_turn(transaction: &Transaction<'_>, turn: TurnId) -> Result<Vec<StoredMessage>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE turn = ?1 AND NOT summary ORDER BY id");
    collect(transaction, &sql, params![turn.0])
}

/// Returns the message with this number.
pub(crate) fn one(transaction: &Transaction<'_>, id: i64) -> Result<StoredMessage, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ?1");
    let message = transaction.prepare_cached(&sql)?.query_row([id], row_of)?;
    decode(message)
}

fn collect(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<StoredMessage>, Fault> {
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, row_of)?;
    rows.map(|row| decode(row?)).collect()
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<(StoredMessage, String)> {
    let role: String = row.get(3)?;
    // A later version may have further roles. An assistant's message is the one that no provider takes for an order.
    let role = value(&role).unwrap_or(Role::Assistant);
    let hidden: Option<String> = row.get(8)?;
    let stored = StoredMessage {
        id: row.get(0)?,
        turn: row.get::<_, Option<i64>>(1)?.map(TurnId),
        at: row.get(2)?,
        message: Message { role, blocks: Vec::new() },
        model: row.get(5)?,
        interrupted: row.get(6)?,
        summary: row.get(7)?,
        hidden: hidden.map(|hidden| value(&hidden).unwrap_or(Hidden::Undone)),
    };
    Ok((stored, row.get(4)?))
}

fn decode((mut stored, blocks): (StoredMessage, String)) -> Result<StoredMessage, Fault> {
    let message = stored.id;
    stored.message.blocks = serde_json::from_str::<Vec<Block>>(&blocks)
        .map_err(|source| StoreError::ReadMessage { message, source })?;
    Ok(stored)
}
