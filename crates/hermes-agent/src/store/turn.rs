//! Turns: begin, steps, end. Each of them is one transaction.

use std::path::Path;

use rusqlite::{OptionalExtension, Transaction, params};

use super::error::{BeginError, Fault, StoreError};
use super::fold;
use super::handle::Store;
use super::ids::{SessionId, TurnId, now_ms};
use super::message::{self, NewMessage, StoredMessage};
use super::owner::{self, Owner};
use super::session;
use super::turn_rows::{RunState, close, count, open_turn, session_of_open, set_state};
use super::words::word;
use crate::message::{Message, Usage};
use crate::protocol::{StopReason, TurnError};
use crate::tools::Effect;

mod record;

pub use record::{ModelCallRecord, ToolRunRecord, TurnRecord};

/// A part of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Appends a message to the conversation.
    Message {
        /// The message.
        message: Message,
        /// The model that wrote it.
        model: Option<String>,
        /// The tokens of the model call that wrote it.
        usage: Option<Usage>,
        /// `true` if it is the part of an answer that was interrupted.
        interrupted: bool,
    },
    /// Sets the state of the run of a tool. `Planned` begins its record. The calls of a message without a record count as planned.
    Run {
        /// The call.
        call_id: String,
        /// The name of the tool.
        tool: String,
        /// The new state.
        state: RunState,
        /// The effect of the tool.
        effect: Effect,
    },
    /// Counts a model call that wrote no message, as one of a compaction.
    Usage {
        /// The model.
        model: String,
        /// The tokens.
        usage: Usage,
    },
}

impl Change {
    /// Returns a change that appends a message, without more.
    pub fn message(message: Message) -> Self {
        Self::Message { message, model: None, usage: None, interrupted: false }
    }
}

impl Store {
    /// Begins a turn with the user's message, in one transaction. Messages that waited for the session go in first. An open turn of a
    /// dead owner is folded before.
    ///
    /// # Errors
    /// Fails with [`BeginError::Busy`] if a turn of the session is open, or if the database fails.
    pub async fn begin_turn(
        &self,
        id: &SessionId,
        owner: &Owner,
        message: Message,
    ) -> Result<TurnId, BeginError> {
        let (session, durability) = (id, self.temporary.of_session(id));
        let (id, owner, path) = (id.clone(), owner.clone(), self.path());
        let begun = self.write_with(durability, "begin a turn", move |transaction| {
            session::require(transaction, &id)?;
            if let Err(busy) = fold_or_busy(transaction, &path, &id)? {
                return Ok(Err(busy));
            }
            transaction
                .prepare_cached(
                    "INSERT INTO turns (session, owner, owner_description, owner_pid, started_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![id.as_str(), owner.id(), owner.description(), owner.pid(), now_ms()])?;
            let turn = TurnId(transaction.last_insert_rowid());
            move_inputs(transaction, &id, Some(turn))?;
            message::append(transaction, &id, Some(turn), &NewMessage::of(&message))?;
            Ok(Ok(turn))
        });
        let begun = begun.await?;
        if let Ok(turn) = begun {
            self.temporary.begin_turn(session, turn);
        }
        begun
    }

    /// Performs a step of an open turn in one transaction. Returns the numbers of the appended messages, in order.
    ///
    /// # Errors
    /// Fails if the turn is not open, or if the database fails. Then it changes nothing.
    pub async fn step(&self, turn: TurnId, changes: Vec<Change>) -> Result<Vec<i64>, StoreError> {
        self.write_with(self.temporary.of_turn(turn), "store a step of a turn", move |transaction| {
            let session = session_of_open(transaction, turn)?;
            let mut appended = Vec::new();
            for change in &changes {
                appended.extend(apply(transaction, &session, turn, change)?);
            }
            Ok(appended)
        })
        .await
    }

    /// Stores a message for the running turn of a session. It waits until [`Store::take_inputs`], or the next turn, takes it.
    ///
    /// # Errors
    /// Fails if there is no such session, or if the database fails.
    pub async fn queue_input(&self, id: &SessionId, message: Message) -> Result<(), StoreError> {
        let id = id.clone();
        self.write("store a message that waits", move |transaction| {
            session::require(transaction, &id)?;
            let text =
                serde_json::to_string(&message).map_err(|source| StoreError::EncodeMessage { source })?;
            transaction
                .prepare_cached("INSERT INTO inputs (session, at, message) VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_str(), now_ms(), text])?;
            Ok(())
        })
        .await
    }

    /// Moves the messages that wait into the conversation, in one transaction, and returns them.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn take_inputs(&self, id: &SessionId) -> Result<Vec<StoredMessage>, StoreError> {
        let id = id.clone();
        self.write("take the messages that wait", move |transaction| {
            let open: Option<i64> = transaction
                .prepare_cached("SELECT id FROM turns WHERE session = ?1 AND ended_at IS NULL")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            move_inputs(transaction, &id, open.map(TurnId))
        })
        .await
    }

    /// Removes the messages that wait for the session, and returns them. The caller sends them itself.
    ///
    /// # Errors
    /// Fails if the database fails, or cannot be understood.
    pub async fn withdraw_inputs(&self, id: &SessionId) -> Result<Vec<Message>, StoreError> {
        let id = id.clone();
        self.write("withdraw the messages that wait", move |transaction| {
            let waiting: Vec<(i64, String)> = transaction
                .prepare_cached("SELECT id, message FROM inputs WHERE session = ?1 ORDER BY id")?
                .query_map([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let read = |(input, text): (i64, String)| {
                serde_json::from_str(&text)
                    .map_err(|source| StoreError::ReadMessage { message: input, source })
            };
            let messages = waiting.into_iter().map(read).collect::<Result<_, _>>()?;
            transaction.prepare_cached("DELETE FROM inputs WHERE session = ?1")?.execute([id.as_str()])?;
            Ok(messages)
        })
        .await
    }

    /// Returns the number of messages that wait for the session.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn waiting_inputs(&self, id: &SessionId) -> Result<u64, StoreError> {
        let id = id.clone();
        self.read("count the messages that wait", move |transaction| {
            let count: i64 = transaction
                .prepare_cached("SELECT count(*) FROM inputs WHERE session = ?1")?
                .query_row([id.as_str()], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    /// Returns the tokens of the newest model call of a session; `None` if a compaction followed it.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn last_usage(&self, id: &SessionId) -> Result<Option<Usage>, StoreError> {
        let id = id.clone();
        self.read("read the usage of a session", move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT input, cached, cache_written, output, reasoning FROM
                 (SELECT * FROM model_calls WHERE session = ?1 ORDER BY id DESC LIMIT 1) WHERE NOT compaction",
            )?;
            let usage = statement.query_row([id.as_str()], |row| {
                let count = |index: usize| row.get::<_, i64>(index).map(i64::unsigned_abs);
                Ok(Usage {
                    input: count(0)?,
                    cached: count(1)?,
                    cache_written: count(2)?,
                    output: count(3)?,
                    reasoning: count(4)?,
                })
            });
            Ok(usage.optional()?)
        })
        .await
    }

    /// Performs the last step of a turn, and ends it, in one transaction. A call without a result gets one, as after the death of the
    /// owner.
    ///
    /// # Errors
    /// Fails if the turn is not open, or if the database fails. Then it changes nothing.
    pub async fn end_turn(
        &self,
        turn: TurnId,
        last: Vec<Change>,
        reason: StopReason,
        error: Option<TurnError>,
    ) -> Result<(), StoreError> {
        self.write_with(self.temporary.of_turn(turn), "end a turn", move |transaction| {
            let session = session_of_open(transaction, turn)?;
            for change in &last {
                apply(transaction, &session, turn, change)?;
            }
            fold::answer_open_calls(transaction, &session, turn)?;
            close(transaction, turn, reason, error.as_ref())
        })
        .await
    }
}

/// Folds the open turn of the session if its owner is dead. Fails with `Busy` if it lives.
fn fold_or_busy(
    transaction: &Transaction<'_>,
    database: &Path,
    id: &SessionId,
) -> Result<Result<(), BeginError>, Fault> {
    let Some(open) = open_turn(transaction, id)? else { return Ok(Ok(())) };
    if owner::is_alive(database, &open.owner) {
        return Ok(Err(BeginError::Busy { owner: open.description, pid: open.pid, turn: open.turn }));
    }
    fold::fold(transaction, id, open.turn)?;
    Ok(Ok(()))
}

/// Fails if a live process runs a turn of the session.
pub(crate) fn require_no_turn(
    transaction: &Transaction<'_>,
    database: &Path,
    id: &SessionId,
) -> Result<(), Fault> {
    match fold_or_busy(transaction, database, id)? {
        Err(BeginError::Busy { owner, pid, .. }) => {
            Err(StoreError::TurnRuns { session: id.clone(), owner, pid }.into())
        }
        _ => Ok(()),
    }
}

fn apply(
    transaction: &Transaction<'_>,
    session: &SessionId,
    turn: TurnId,
    change: &Change,
) -> Result<Option<i64>, Fault> {
    match change {
        Change::Message { message, model, usage, interrupted } => {
            let new =
                NewMessage { model: model.as_deref(), interrupted: *interrupted, ..NewMessage::of(message) };
            let id = message::append(transaction, session, Some(turn), &new)?;
            if let Some(usage) = usage {
                count(
                    transaction,
                    session,
                    Some(turn),
                    model.as_deref().unwrap_or_default(),
                    usage,
                    now_ms(),
                )?;
            }
            Ok(Some(id))
        }
        Change::Run { call_id, tool, state, effect } => {
            set_run(transaction, turn, call_id, tool, *state, *effect)?;
            Ok(None)
        }
        Change::Usage { model, usage } => {
            count(transaction, session, Some(turn), model, usage, now_ms())?;
            Ok(None)
        }
    }
}

fn set_run(
    transaction: &Transaction<'_>,
    turn: TurnId,
    call_id: &str,
    tool: &str,
    state: RunState,
    effect: Effect,
) -> Result<(), Fault> {
    // Some servers use one ID for several calls of a turn: the newest one is meant.
    let newest: Option<i64> = transaction
        .prepare_cached("SELECT max(id) FROM tool_runs WHERE turn = ?1 AND call_id = ?2")?
        .query_row(params![turn.0, call_id], |row| row.get(0))?;
    let run = match newest {
        Some(run) if state != RunState::Planned => run,
        _ => {
            transaction
                .prepare_cached(
                    "INSERT INTO tool_runs (turn, call_id, tool, effect, state, planned_at) VALUES (?1, ?2, ?3, '', '', ?4)",
                )?
                .execute(params![turn.0, call_id, tool, now_ms()])?;
            transaction.last_insert_rowid()
        }
    };
    set_state(transaction, run, state)?;
    transaction
        .prepare_cached("UPDATE tool_runs SET effect = ?2 WHERE id = ?1")?
        .execute(params![run, word(&effect)])?;
    Ok(())
}

fn move_inputs(
    transaction: &Transaction<'_>,
    session: &SessionId,
    turn: Option<TurnId>,
) -> Result<Vec<StoredMessage>, Fault> {
    let waiting: Vec<(i64, String)> = transaction
        .prepare_cached("SELECT id, message FROM inputs WHERE session = ?1 ORDER BY id")?
        .query_map([session.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut taken = Vec::new();
    for (input, text) in waiting {
        let message: Message = serde_json::from_str(&text)
            .map_err(|source| StoreError::ReadMessage { message: input, source })?;
        let id = message::append(transaction, session, turn, &NewMessage::of(&message))?;
        taken.push(message::one(transaction, id)?);
        transaction.prepare_cached("DELETE FROM inputs WHERE id = ?1")?.execute([input])?;
    }
    Ok(taken)
}
