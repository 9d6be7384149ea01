//! The rows of turns, of their model calls and of their runs of tools.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::approval;
use super::error::{Fault, StoreError};
use super::ids::{SessionId, TurnId, now_ms};
use super::words::word;
use crate::message::Usage;
use crate::protocol::{StopReason, TurnError};

/// The state of the run of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// The model asked for it.
    Planned,
    /// It began.
    Started,
    /// Its result is stored.
    Done,
    /// It began, and its process died.
    Unknown,
}

/// An open turn and its owner.
pub(crate) struct OpenTurn {
    pub(crate) turn: TurnId,
    pub(crate) owner: String,
    pub(crate) description: String,
    pub(crate) pid: u32,
}

/// Returns the open turn of a session.
pub(crate) fn open_turn(transaction: &Transaction<'_>, id: &SessionId) -> Result<Option<OpenTurn>, Fault> {
    let found = transaction
        .prepare_cached(
            "SELECT id, owner, owner_description, owner_pid FROM turns WHERE session = ?1 AND ended_at IS NULL",
        )?
        .query_row([id.as_str()], |row| {
            let turn = TurnId(row.get(0)?);
            Ok(OpenTurn { turn, owner: row.get(1)?, description: row.get(2)?, pid: row.get(3)? })
        })
        .optional()?;
    Ok(found)
}

/// Returns the session of an open turn.
pub(crate) fn session_of_open(transaction: &Transaction<'_>, turn: TurnId) -> Result<SessionId, Fault> {
    let session: Option<String> = transaction
        .prepare_cached("SELECT session FROM turns WHERE id = ?1 AND ended_at IS NULL")?
        .query_row([turn.0], |row| row.get(0))
        .optional()?;
    session.map(SessionId::from).ok_or_else(|| StoreError::TurnNotOpen { turn: turn.0 }.into())
}

/// Marks a turn as ended.
pub(crate) fn close(
    transaction: &Transaction<'_>,
    turn: TurnId,
    reason: StopReason,
    error: Option<&TurnError>,
) -> Result<(), Fault> {
    let error = error.map(serde_json::to_string).transpose();
    let error = error.map_err(|source| StoreError::EncodeMessage { source })?;
    transaction
        .prepare_cached("UPDATE turns SET ended_at = ?2, reason = ?3, error = ?4 WHERE id = ?1")?
        .execute(params![turn.0, now_ms(), word(&reason), error])?;
    approval::expire_of_turn(transaction, turn)
}

/// Counts the tokens of a model call.
pub(crate) fn count(
    transaction: &Transaction<'_>,
    session: &SessionId,
    turn: Option<TurnId>,
    model: &str,
    usage: &Usage,
    at: i64,
) -> Result<(), Fault> {
    let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "INSERT INTO model_calls (session, turn, at, model, input, cached, cache_written, output, reasoning)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            session.as_str(),
            turn.map(|turn| turn.0),
            at,
            model,
            tokens(usage.input),
            tokens(usage.cached),
            tokens(usage.cache_written),
            tokens(usage.output),
            tokens(usage.reasoning),
        ])?;
    Ok(())
}

/// Sets the state of a run, with its time.
pub(crate) fn set_state(transaction: &Transaction<'_>, run: i64, state: RunState) -> Result<(), Fault> {
    let time = match state {
        RunState::Planned => "planned_at",
        RunState::Started => "started_at",
        RunState::Done | RunState::Unknown => "ended_at",
    };
    transaction
        .prepare_cached(&format!("UPDATE tool_runs SET state = ?2, {time} = ?3 WHERE id = ?1"))?
        .execute(params![run, word(&state), now_ms()])?;
    Ok(())
}
