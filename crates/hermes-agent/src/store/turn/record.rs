//! The record of a turn, for people.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction};
use serde::Serialize;
use serde_json::{Value, json};

use crate::approval::Approval;
use crate::message::Usage;
use crate::protocol::{StopReason, TurnError};
use crate::settings::Price;
use crate::store::approval;
use crate::store::error::Fault;
use crate::store::turn_rows::RunState;
use crate::store::words::value;
use crate::store::{SessionId, Store, StoreError, TurnId};
use crate::tools::Effect;

/// The record of a turn. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TurnRecord {
    /// The turn.
    pub id: TurnId,
    /// Its session.
    pub session: SessionId,
    /// The owner's description of itself.
    pub owner: String,
    /// The owner's process.
    pub pid: u32,
    /// The begin.
    pub started_at: i64,
    /// The end. `None` while the turn is open.
    pub ended_at: Option<i64>,
    /// The reason for its end.
    pub reason: Option<StopReason>,
    /// The cause, if it failed.
    pub error: Option<TurnError>,
    /// The calls of a model, in order.
    pub model_calls: Vec<ModelCallRecord>,
    /// The runs of tools, in order.
    pub tool_runs: Vec<ToolRunRecord>,
    /// The questions to a person about its calls, in order.
    pub approvals: Vec<Approval>,
    /// The tokens of all model calls.
    pub usage: Usage,
}

/// The record of a model call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelCallRecord {
    /// The time of its end.
    pub at: i64,
    /// The model.
    pub model: String,
    /// The tokens.
    pub usage: Usage,
    /// `true` if it wrote the summary of a compaction.
    pub compaction: bool,
}

/// The record of a tool's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolRunRecord {
    /// The call.
    pub call_id: String,
    /// The name of the tool.
    pub tool: String,
    /// The effect of the tool.
    pub effect: Effect,
    /// The state.
    pub state: RunState,
    /// The time of the model's request.
    pub planned_at: i64,
    /// The begin.
    pub started_at: Option<i64>,
    /// The end.
    pub ended_at: Option<i64>,
}

impl TurnRecord {
    /// Returns the record as JSON, with `usd` for each call whose price is known, and for the turn if all are known.
    pub fn with_costs(&self, prices: &BTreeMap<String, Price>) -> Value {
        let cost = |call: &ModelCallRecord| prices.get(&call.model).map(|price| price.cost(call.usage));
        let costs: Vec<Option<f64>> = self.model_calls.iter().map(cost).collect();
        let mut value = json!(self);
        if let Some(calls) = value.get_mut("model_calls").and_then(Value::as_array_mut) {
            for (call, usd) in calls.iter_mut().zip(&costs) {
                call["usd"] = json!(usd);
            }
        }
        value["usd"] = json!(costs.into_iter().sum::<Option<f64>>());
        value
    }
}

impl Store {
    /// Returns the record of a turn.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn turn(&self, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        self.read("read a turn", move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT id, session, owner_description, owner_pid, started_at, ended_at, reason, error FROM turns
                 WHERE id = ?1",
            )?;
            let Some(mut record) = statement.query_row([turn.0], record_of).optional()? else {
                return Ok(None);
            };
            record.model_calls = model_calls(transaction, turn)?;
            record.tool_runs = tool_runs(transaction, turn)?;
            record.approvals = approval::of_turn(transaction, turn)?;
            for call in &record.model_calls {
                record.usage.add(call.usage);
            }
            Ok(Some(record))
        })
        .await
    }

    /// Returns the turn that began last, of any session.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn last_turn(&self) -> Result<Option<TurnId>, StoreError> {
        self.read("find the last turn", |transaction| {
            let last: Option<i64> =
                transaction.prepare_cached("SELECT max(id) FROM turns")?.query_row([], |row| row.get(0))?;
            Ok(last.map(TurnId))
        })
        .await
    }

    /// Returns the turns of a session, in order.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn turns(&self, id: &SessionId) -> Result<Vec<TurnId>, StoreError> {
        let id = id.clone();
        self.read("list the turns of a session", move |transaction| {
            let mut statement =
                transaction.prepare_cached("SELECT id FROM turns WHERE session = ?1 ORDER BY id")?;
            let turns = statement.query_map([id.as_str()], |row| Ok(TurnId(row.get(0)?)))?;
            Ok(turns.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }
}

fn record_of(row: &Row<'_>) -> rusqlite::Result<TurnRecord> {
    let reason: Option<String> = row.get(6)?;
    let error: Option<String> = row.get(7)?;
    Ok(TurnRecord {
        id: TurnId(row.get(0)?),
        session: SessionId::from(row.get::<_, String>(1)?),
        owner: row.get(2)?,
        pid: row.get(3)?,
        started_at: row.get(4)?,
        ended_at: row.get(5)?,
        reason: reason.and_then(|reason| value(&reason)),
        error: error.and_then(|error| serde_json::from_str(&error).ok()),
        model_calls: Vec::new(),
        tool_runs: Vec::new(),
        approvals: Vec::new(),
        usage: Usage::default(),
    })
}

fn model_calls(transaction: &Transaction<'_>, turn: TurnId) -> Result<Vec<ModelCallRecord>, Fault> {
    let mut statement = transaction.prepare_cached(
        "SELECT at, model, input, cached, cache_written, output, reasoning, compaction FROM model_calls WHERE turn = ?1
         ORDER BY id",
    )?;
    let calls = statement.query_map([turn.0], |row| {
        let tokens = |index| row.get::<_, i64>(index).map(|count| u64::try_from(count).unwrap_or(0));
        let usage = Usage {
            input: tokens(2)?,
            cached: tokens(3)?,
            cache_written: tokens(4)?,
            output: tokens(5)?,
            reasoning: tokens(6)?,
        };
        Ok(ModelCallRecord { at: row.get(0)?, model: row.get(1)?, usage, compaction: row.get(7)? })
    })?;
    Ok(calls.collect::<Result<_, _>>()?)
}

fn tool_runs(transaction: &Transaction<'_>, turn: TurnId) -> Result<Vec<ToolRunRecord>, Fault> {
    let mut statement = transaction.prepare_cached(
        "SELECT call_id, tool, effect, state, planned_at, started_at, ended_at FROM tool_runs WHERE turn = ?1 ORDER BY id",
    )?;
    let runs = statement.query_map([turn.0], |row| {
        Ok(ToolRunRecord {
            call_id: row.get(0)?,
            tool: row.get(1)?,
            // A word of a later version: the careful values.
            effect: value(&row.get::<_, String>(2)?).unwrap_or(Effect::Writes),
            state: value(&row.get::<_, String>(3)?).unwrap_or(RunState::Unknown),
            planned_at: row.get(4)?,
            started_at: row.get(5)?,
            ended_at: row.get(6)?,
        })
    })?;
    Ok(runs.collect::<Result<_, _>>()?)
}
