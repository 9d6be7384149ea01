//! Reads the tables of a `state.db`. Values of a wrong type are converted: SQLite lets any column hold any type.

use std::collections::HashSet;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::copy::Copy;
use crate::message::Usage;

/// The longest value, in bytes. A longer one makes its session unreadable.
const LONGEST: i32 = 64 * 1024 * 1024;

/// The columns of a session, in the order of [`old_session`]. The prompt of its hash follows them.
const SESSION: [&str; 12] = [
    "id",
    "source",
    "model",
    "title",
    "parent_session_id",
    "started_at",
    "system_prompt",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
];

/// The columns of a message, in the order of [`old_message`].
const MESSAGE: [&str; 10] = [
    "role",
    "content",
    "tool_call_id",
    "tool_calls",
    "timestamp",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "active",
    "compacted",
];

/// A session of the Python program.
#[derive(Debug)]
pub(crate) struct OldSession {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) model: String,
    pub(crate) title: Option<String>,
    pub(crate) parent: Option<String>,
    /// In milliseconds since 1970.
    pub(crate) started_at: i64,
    pub(crate) system: Option<String>,
    pub(crate) usage: Usage,
}

/// A message of the Python program.
#[derive(Debug)]
pub(crate) struct OldMessage {
    pub(crate) role: String,
    pub(crate) content: Option<String>,
    pub(crate) tool_call_id: Option<String>,
    pub(crate) tool_calls: Option<String>,
    /// In milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) reasoning: Option<String>,
    pub(crate) reasoning_content: Option<String>,
    pub(crate) reasoning_details: Option<String>,
    pub(crate) active: bool,
    pub(crate) compacted: bool,
}

/// An opened copy.
#[derive(Debug)]
pub(crate) struct Source {
    connection: Connection,
    sessions: String,
    messages: String,
    // Dropped after the connection.
    _copy: Copy,
}

impl Source {
    /// Opens a copy. Returns `None` if it lacks the tables.
    pub(crate) fn open(copy: Copy) -> rusqlite::Result<Option<Self>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(copy.path(), flags)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
        connection.execute_batch(
            "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -2048",
        )?;
        let (sessions, messages) = (columns(&connection, "sessions")?, columns(&connection, "messages")?);
        if !sessions.contains("id") || !messages.contains("session_id") || !messages.contains("role") {
            return Ok(None);
        }
        let has_prompts = !columns(&connection, "system_prompts")?.is_empty();
        // The copy is private: the index costs one pass over the messages instead of one for each session.
        connection.execute_batch("CREATE INDEX IF NOT EXISTS hermes_import ON messages (session_id)")?;
        // The prompt moved to a table of its own in version 25.
        let by_hash = "(SELECT p.prompt FROM system_prompts p WHERE p.hash = system_prompt_hash)";
        let by_hash = if has_prompts && sessions.contains("system_prompt_hash") { by_hash } else { "NULL" };
        let selected = format!("{}, {by_hash}", select(&SESSION, &sessions));
        let order = if sessions.contains("started_at") { "started_at, id" } else { "id" };
        let sessions = format!("SELECT {selected} FROM sessions ORDER BY {order}");
        let selected = select(&MESSAGE, &messages);
        let order = if messages.contains("id") { "id" } else { "rowid" };
        let messages = format!("SELECT {selected} FROM messages WHERE session_id = ?1 ORDER BY {order}");
        Ok(Some(Self { connection, sessions, messages, _copy: copy }))
    }

    /// Returns all sessions, oldest first. One without an ID is left out.
    pub(crate) fn sessions(&self) -> rusqlite::Result<Vec<OldSession>> {
        let mut statement = self.connection.prepare(&self.sessions)?;
        let sessions = statement.query_map([], old_session)?;
        sessions.filter_map(Result::transpose).collect()
    }

    /// Returns the messages of a session, in order.
    pub(crate) fn messages(&self, session: &str) -> rusqlite::Result<Vec<OldMessage>> {
        let mut statement = self.connection.prepare_cached(&self.messages)?;
        statement.query_map([session], old_message)?.collect()
    }
}

/// Returns the columns of a table. Views and virtual tables count as missing: reading one may run anything, without an end.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<HashSet<String>> {
    let is_table = connection
        .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND rootpage > 0")?
        .exists([table])?;
    if !is_table {
        return Ok(HashSet::new());
    }
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// Returns a list of columns for a query, with `NULL` for those that are missing.
fn select(wanted: &[&str], existing: &HashSet<String>) -> String {
    let columns = wanted.iter().map(|column| match existing.contains(*column) {
        true => *column,
        false => "NULL",
    });
    columns.collect::<Vec<_>>().join(", ")
}

fn old_session(row: &Row<'_>) -> rusqlite::Result<Option<OldSession>> {
    let Some(id) = text(row, 0)? else { return Ok(None) };
    let (fresh, cached, cache_written) = (count(row, 7)?, count(row, 9)?, count(row, 10)?);
    Ok(Some(OldSession {
        id,
        source: text(row, 1)?.unwrap_or_else(|| "unknown".to_owned()),
        model: text(row, 2)?.unwrap_or_default(),
        title: text(row, 3)?,
        parent: text(row, 4)?,
        started_at: milliseconds(row, 5)?,
        system: text(row, 6)?.or(text(row, 12)?),
        usage: Usage {
            input: fresh.saturating_add(cached).saturating_add(cache_written),
            cached,
            cache_written,
            output: count(row, 8)?,
            reasoning: count(row, 11)?,
        },
    }))
}

fn old_message(row: &Row<'_>) -> rusqlite::Result<OldMessage> {
    Ok(OldMessage {
        role: text(row, 0)?.unwrap_or_default(),
        content: text(row, 1)?,
        tool_call_id: text(row, 2)?,
        tool_calls: text(row, 3)?,
        at: milliseconds(row, 4)?,
        reasoning: text(row, 5)?,
        reasoning_content: text(row, 6)?,
        reasoning_details: text(row, 7)?,
        // Without the column, the program had no compaction in place.
        active: row.get_ref(8)? == ValueRef::Null || number(row, 8)? != 0.0,
        compacted: number(row, 9)? != 0.0,
    })
}

/// Returns a value as text. `None` if it is empty.
fn text(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<String>> {
    let text = match row.get_ref(index)? {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^53")]
    Ok(match row.get_ref(index)? {
        ValueRef::Integer(number) => number as f64,
        ValueRef::Real(number) => number,
        _ => 0.0,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    // The sums over a session stay below the limit of a column.
    Ok((number(row, index)? as u64).min(u64::from(u32::MAX)))
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn milliseconds(row: &Row<'_>, index: usize) -> rusqlite::Result<i64> {
    Ok((number(row, index)?.max(0.0) * 1000.0) as i64)
}
