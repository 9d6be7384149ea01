//! The rows of messages: appended and read.

use rusqlite::{Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::error::{Fault, StoreError};
use super::ids::{SessionId, TurnId, now_ms};
use super::words::{value, word};
use crate::message::{Block, Message, Role};

/// The columns of a message.
pub(crate) const COLUMNS: &str = "id, turn, at, role, blocks, model, interrupted, summary, hidden";

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

/// Returns the messages that a query of [`COLUMNS`] finds.
pub(crate) fn collect(
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
