//! Sessions: creation, look-up, lists.

use std::time::SystemTime;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::durability::OnDisk;
use super::error::{Fault, FindError, StoreError};
use super::handle::Store;
use super::ids::{SessionId, now_ms};
use super::message::{self, NewMessage};
use crate::message::{Message, Usage};

mod upkeep;

pub use upkeep::{SourceStats, Stats};

/// The most candidates of an ambiguous name.
const CANDIDATES: u32 = 5;

/// The columns of a session, with counts over its rows.
const COLUMNS: &str = "s.id, s.source, s.model, s.title, s.parent, s.created_at, s.active_at,
    (SELECT count(*) FROM messages m WHERE m.session = s.id AND NOT m.summary),
    (SELECT json_array(sum(input), sum(cached), sum(cache_written), sum(output), sum(reasoning), count(*))
        FROM model_calls c WHERE c.session = s.id),
    EXISTS (SELECT 1 FROM turns t WHERE t.session = s.id AND t.ended_at IS NULL),
    (SELECT substr(m.text, 1, 200) FROM messages m
        WHERE m.session = s.id AND m.role = 'user' AND m.text IS NOT NULL ORDER BY m.id LIMIT 1)";

/// A session to create.
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    /// The surface that begins it, as `chat` or `api`.
    pub source: String,
    /// The name of the model.
    pub model: String,
    /// The parts of the system prompt. They stay as they are as long as the session lasts.
    pub system: Vec<String>,
    /// The title, unique in the database.
    pub title: Option<String>,
    /// The session that it continues.
    pub parent: Option<SessionId>,
    /// The number of agents between a person and this session. See [`Store::depth`].
    pub depth: u32,
    /// The ID. `None` makes one.
    pub id: Option<SessionId>,
    /// The messages so far.
    pub history: Vec<Message>,
    /// The moment from which it survives a power failure.
    pub on_disk: OnDisk,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The ID.
    pub id: SessionId,
    /// The surface that began it.
    pub source: String,
    /// The name of the model.
    pub model: String,
    /// The title.
    pub title: Option<String>,
    /// The session that it continues.
    pub parent: Option<SessionId>,
    /// The time of creation, in milliseconds since 1970.
    pub created_at: i64,
    /// The time of the last message, in milliseconds since 1970.
    pub active_at: i64,
    /// The number of messages, hidden ones included. Summaries and copies of a compaction do not count.
    pub messages: u64,
    /// The tokens of all model calls.
    pub usage: Usage,
    /// `true` if a turn is open.
    pub busy: bool,
    /// The begin of the first message of the user, at most 200 characters.
    pub preview: Option<String>,
    /// The parts of the system prompt. Lists leave it empty.
    #[serde(skip)]
    pub system: Vec<String>,
}

/// A filter for lists of sessions.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The most sessions. `None` returns all.
    pub limit: Option<u32>,
    /// The surface that began them.
    pub source: Option<String>,
    /// The time that no activity reaches, in milliseconds since 1970.
    pub inactive_since: Option<i64>,
}

impl Store {
    /// Creates a session.
    ///
    /// # Errors
    /// Fails if another session has the ID or title, or if the database fails.
    pub async fn create_session(&self, new: NewSession) -> Result<SessionId, StoreError> {
        let id = new.id.clone().unwrap_or_else(|| SessionId::generate(SystemTime::now()));
        let (created, on_disk) = (id.clone(), new.on_disk);
        self.write_with(on_disk.creation(), "create a session", move |transaction| {
            insert(transaction, &id, &new, now_ms())?;
            for message in &new.history {
                message::append(transaction, &id, None, &NewMessage::of(message))?;
            }
            Ok(())
        })
        .await?;
        if on_disk == OnDisk::Never {
            self.temporary.add(created.clone());
        }
        Ok(created)
    }

    /// Returns the session with this ID.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let id = id.clone();
        self.read("read a session", move |transaction| {
            let sql = format!("SELECT {COLUMNS} FROM sessions s WHERE s.id = ?1");
            let found = transaction.prepare_cached(&sql)?.query_row([id.as_str()], session_of).optional()?;
            let Some(mut session) = found else { return Ok(None) };
            session.system = system_of(transaction, &id)?;
            Ok(Some(session))
        })
        .await
    }

    /// Returns the number of agents between a person and this session. It is 0 if a person or a program talks to it.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn depth(&self, id: &SessionId) -> Result<u32, StoreError> {
        let id = id.clone();
        self.read("read the depth of a session", move |transaction| {
            let mut statement = transaction.prepare_cached("SELECT depth FROM sessions WHERE id = ?1")?;
            Ok(statement.query_row([id.as_str()], |row| row.get(0)).optional()?.unwrap_or(0))
        })
        .await
    }

    /// Returns the parts of the system prompt of a session.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn prompt(&self, id: &SessionId) -> Result<Vec<String>, StoreError> {
        let id = id.clone();
        self.read("read a system prompt", move |transaction| system_of(transaction, &id)).await
    }

    /// Returns the session that `name` selects: an ID, a title, or the begin of exactly one ID.
    ///
    /// # Errors
    /// Fails if no session or several match, or if the database fails.
    pub async fn find(&self, name: &str) -> Result<SessionId, FindError> {
        let name = name.trim().to_owned();
        let wanted = name.clone();
        let mut candidates = self
            .read("find a session", move |transaction| {
                let exact: Option<String> = transaction
                    .prepare_cached("SELECT id FROM sessions WHERE id = ?1 OR title = ?1 ORDER BY id <> ?1 LIMIT 1")?
                    .query_row([&wanted], |row| row.get(0))
                    .optional()?;
                if exact.is_some() || wanted.is_empty() {
                    return Ok(exact.into_iter().collect());
                }
                let mut statement = transaction.prepare_cached(
                    "SELECT id FROM sessions WHERE id >= ?1 AND substr(id, 1, length(?1)) = ?1 AND id < ?1 || char(1114111)
                     ORDER BY id DESC LIMIT ?2",
                )?;
                let ids = statement.query_map(params![wanted, CANDIDATES + 1], |row| row.get::<_, String>(0))?;
                Ok(ids.collect::<Result<Vec<_>, _>>()?)
            })
            .await?;
        match candidates.len() {
            0 => Err(FindError::None { name }),
            1 => Ok(SessionId::from(candidates.remove(0))),
            _ => {
                let candidates =
                    candidates.into_iter().take(CANDIDATES as usize).map(SessionId::from).collect();
                Err(FindError::Ambiguous { name, candidates })
            }
        }
    }

    /// Returns the session with the newest activity, of this source if one is given.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn latest(&self, source: Option<&str>) -> Result<Option<SessionId>, StoreError> {
        let source = source.map(str::to_owned);
        self.read("find the latest session", move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT id FROM sessions WHERE ?1 IS NULL OR source = ?1 ORDER BY active_at DESC, id DESC LIMIT 1",
            )?;
            let id: Option<String> = statement.query_row([source], |row| row.get(0)).optional()?;
            Ok(id.map(SessionId::from))
        })
        .await
    }

    /// Returns the sessions that pass the filter, newest activity first.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Session>, StoreError> {
        self.read("list the sessions", move |transaction| {
            let sql = format!(
                "SELECT {COLUMNS} FROM sessions s
                 WHERE (?1 IS NULL OR s.source = ?1) AND (?3 IS NULL OR s.active_at < ?3)
                 ORDER BY s.active_at DESC, s.id DESC LIMIT ?2"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let limit = filter.limit.map_or(-1, i64::from);
            let parameters = params![filter.source, limit, filter.inactive_since];
            let sessions = statement.query_map(parameters, session_of)?;
            Ok(sessions.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }
}

/// Inserts a session.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    id: &SessionId,
    new: &NewSession,
    created_at: i64,
) -> Result<(), Fault> {
    let parent = new.parent.as_ref().map(SessionId::as_str);
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO sessions (id, source, model, title, parent, created_at, active_at, depth)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)",
        )?
        .execute(params![id.as_str(), new.source, new.model, new.title, parent, created_at, new.depth]);
    if let Err(error) = inserted {
        return Err(name_taken(error, new.title.as_deref().unwrap_or(id.as_str())));
    }
    let parts = serde_json::to_string(&new.system).map_err(|source| StoreError::EncodeMessage { source })?;
    transaction
        .prepare_cached("INSERT INTO prompts (session, parts) VALUES (?1, ?2)")?
        .execute([id.as_str(), &parts])?;
    Ok(())
}

/// Returns the error of a session whose ID or title is taken.
pub(crate) fn name_taken(error: rusqlite::Error, name: &str) -> Fault {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
        return StoreError::NameTaken { name: name.to_owned() }.into();
    }
    error.into()
}

/// Fails if there is no such session.
pub(crate) fn require(transaction: &Transaction<'_>, id: &SessionId) -> Result<(), Fault> {
    let found = transaction.prepare_cached("SELECT 1 FROM sessions WHERE id = ?1")?.exists([id.as_str()])?;
    if found { Ok(()) } else { Err(StoreError::UnknownSession { session: id.clone() }.into()) }
}

fn system_of(transaction: &Transaction<'_>, id: &SessionId) -> Result<Vec<String>, Fault> {
    let parts: Option<String> = transaction
        .prepare_cached("SELECT parts FROM prompts WHERE session = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    // Only a foreign hand can have written anything but a list.
    Ok(parts.and_then(|parts| serde_json::from_str(&parts).ok()).unwrap_or_default())
}

fn session_of(row: &Row<'_>) -> rusqlite::Result<Session> {
    let sums: String = row.get(8)?;
    let sums: Vec<Option<u64>> = serde_json::from_str(&sums).unwrap_or_default();
    let sum = |index: usize| sums.get(index).copied().flatten().unwrap_or(0);
    Ok(Session {
        id: SessionId::from(row.get::<_, String>(0)?),
        source: row.get(1)?,
        model: row.get(2)?,
        title: row.get(3)?,
        parent: row.get::<_, Option<String>>(4)?.map(SessionId::from),
        created_at: row.get(5)?,
        active_at: row.get(6)?,
        messages: row.get::<_, i64>(7)?.unsigned_abs(),
        usage: Usage {
            input: sum(0),
            cached: sum(1),
            cache_written: sum(2),
            output: sum(3),
            reasoning: sum(4),
        },
        busy: row.get(9)?,
        preview: row.get(10)?,
        system: Vec::new(),
    })
}
