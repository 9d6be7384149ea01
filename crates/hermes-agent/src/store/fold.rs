//! Closes the turns of dead owners, so that their conversations can go on.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::error::{Fault, StoreError};
use super::handle::Store;
use super::ids::{SessionId, TurnId};
use super::message::{self, NewMessage};
use super::owner;
use super::turn_rows::{self, RunState};
use super::words::value;
use crate::message::{Block, Message, Role, ToolResult};
use crate::protocol::StopReason;

/// The result of a call whose tool did not start.
pub(crate) const NOT_STARTED: &str = "This did not start: the process that ran the turn ended first.";

/// The result of a call whose tool started.
pub(crate) const MAY_HAVE_TAKEN_EFFECT: &str =
    "The process that ran the turn ended while this ran. It may have taken effect; check before repeating.";

/// A turn that was folded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Folded {
    /// The session.
    pub session: SessionId,
    /// The turn.
    pub turn: TurnId,
    /// The surface that began the session.
    pub source: String,
    /// The dead owner's description of itself.
    pub owner: String,
    /// The tools that had started, and whose effect is unknown.
    pub unknown: Vec<String>,
    /// The tools that had not started.
    pub not_started: Vec<String>,
}

impl Store {
    /// Closes each open turn whose owner is dead, in this session or in all. Every call without a result gets one. Several processes
    /// may do it at one time.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn fold_dead_turns(&self, session: Option<&SessionId>) -> Result<Vec<Folded>, StoreError> {
        let (wanted, path) = (session.cloned(), self.path());
        self.write("close the turns of ended processes", move |transaction| {
            let open: Vec<(i64, String, String)> = transaction
                .prepare_cached(
                    "SELECT id, session, owner FROM turns WHERE ended_at IS NULL AND (?1 IS NULL OR session = ?1)",
                )?
                .query_map([wanted.as_ref().map(SessionId::as_str)], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?;
            let dead = open.into_iter().filter(|(_, _, owner)| !owner::is_alive(&path, owner));
            dead.map(|(turn, session, _)| fold(transaction, &session.into(), TurnId(turn))).collect()
        })
        .await
    }
}

/// Closes a turn whose owner is dead.
pub(crate) fn fold(
    transaction: &Transaction<'_>,
    session: &SessionId,
    turn: TurnId,
) -> Result<Folded, Fault> {
    let (source, owner) = transaction
        .prepare_cached(
            "SELECT s.source, t.owner_description FROM turns t JOIN sessions s ON s.id = t.session WHERE t.id = ?1",
        )?
        .query_row([turn.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Open { unknown, not_started } = answer_open_calls(transaction, session, turn)?;
    turn_rows::close(transaction, turn, StopReason::Died, None)?;
    Ok(Folded { session: session.clone(), turn, source, owner, unknown, not_started })
}

/// The tools of the calls that had no result.
#[derive(Default)]
pub(crate) struct Open {
    unknown: Vec<String>,
    not_started: Vec<String>,
}

/// Appends a result for each call of the turn that has none. Calls of earlier messages have theirs, since the next message of the model
/// is stored after them.
pub(crate) fn answer_open_calls(
    transaction: &Transaction<'_>,
    session: &SessionId,
    turn: TurnId,
) -> Result<Open, Fault> {
    let mut found = Open::default();
    for (call_id, tool) in open_calls(transaction, turn)? {
        let run: Option<(i64, String)> = transaction
            .prepare_cached(
                "SELECT id, state FROM tool_runs WHERE turn = ?1 AND call_id = ?2 ORDER BY id DESC LIMIT 1",
            )?
            .query_row(params![turn.0, call_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let content = match run {
            Some((run, state)) if value(&state) != Some(RunState::Planned) => {
                turn_rows::set_state(transaction, run, RunState::Unknown)?;
                found.unknown.push(tool);
                MAY_HAVE_TAKEN_EFFECT
            }
            _ => {
                found.not_started.push(tool);
                NOT_STARTED
            }
        };
        let result = ToolResult { call_id, content: content.to_owned(), is_error: true };
        message::append(transaction, session, Some(turn), &NewMessage::of(&Message::result(result)))?;
    }
    Ok(found)
}

/// Returns the ID and tool of each call without a result, of the turn's last message with calls.
fn open_calls(transaction: &Transaction<'_>, turn: TurnId) -> Result<Vec<(String, String)>, Fault> {
    let mut open: Vec<(String, String)> = Vec::new();
    for stored in message::of_turn(transaction, turn)? {
        if stored.message.role == Role::Assistant {
            open = stored.message.calls().map(|call| (call.id.clone(), call.name.clone())).collect();
        }
        for block in &stored.message.blocks {
            let Block::ToolResult(result) = block else { continue };
            if let Some(index) = open.iter().position(|(call_id, _)| *call_id == result.call_id) {
                open.remove(index);
            }
        }
    }
    Ok(open)
}
