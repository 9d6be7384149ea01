//! Questions to a person, and their answers.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::error::{Fault, StoreError};
use super::handle::Store;
use super::ids::{SessionId, TurnId, now_ms, random_hex};
use super::words::{value, word};
use crate::approval::{Answer, Approval, ApprovalId, ApprovalState, Reason};

/// The columns of an [`Approval`].
const COLUMNS: &str =
    "id, session, turn, call_id, tool, subject, reason, asked_at, expires_at, state, answered_by";

/// A question before it is stored.
#[derive(Clone, Debug)]
pub struct NewApproval {
    /// The session.
    pub session: SessionId,
    /// The turn that waits.
    pub turn: TurnId,
    /// The call of the tool.
    pub call_id: String,
    /// The name of the tool.
    pub tool: String,
    /// The command or the path that the call is about.
    pub subject: String,
    /// The reason.
    pub reason: Reason,
    /// The time until it expires.
    pub time_limit: Duration,
}

/// A call that a person approved for each session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AllowedCall {
    /// The name of the tool.
    pub tool: String,
    /// The command or the path.
    pub subject: String,
    /// The reason of the question.
    pub reason: Reason,
    /// The time of the approval, in milliseconds since 1970.
    pub at: i64,
}

/// The outcome of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It is stored.
    Stored(Approval),
    /// There is no such question.
    Unknown,
    /// The question was answered before, or expired.
    TooLate(Approval),
}

impl Store {
    /// Stores a question.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub(crate) async fn ask(&self, new: NewApproval) -> Result<Approval, StoreError> {
        let durability = self.temporary.of_turn(new.turn);
        self.write_with(durability, "store a question", move |transaction| {
            let asked_at = now_ms();
            let limit = i64::try_from(new.time_limit.as_millis()).unwrap_or(i64::MAX);
            let approval = Approval {
                id: ApprovalId(format!("appr_{}{}", random_hex(), random_hex())),
                session: new.session,
                turn: new.turn,
                call_id: new.call_id,
                tool: new.tool,
                subject: new.subject,
                reason: new.reason,
                asked_at,
                expires_at: asked_at.saturating_add(limit),
                state: ApprovalState::Pending,
                answered_by: None,
            };
            transaction
                .prepare_cached(&format!(
                    "INSERT INTO approvals ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL)"
                ))?
                .execute(params![
                    approval.id.0,
                    approval.session.as_str(),
                    approval.turn.0,
                    approval.call_id,
                    approval.tool,
                    approval.subject,
                    word(&approval.reason),
                    approval.asked_at,
                    approval.expires_at,
                    word(&approval.state),
                ])?;
            Ok(approval)
        })
        .await
    }

    /// Stores the answer to a question. `by` is the surface.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn answer(
        &self,
        id: &ApprovalId,
        answer: Answer,
        by: &'static str,
    ) -> Result<Answered, StoreError> {
        let id = id.clone();
        self.write("store an answer", move |transaction| {
            let Some(approval) = find(transaction, &id)? else { return Ok(Answered::Unknown) };
            if approval.state != ApprovalState::Pending || now_ms() >= approval.expires_at {
                return Ok(Answered::TooLate(approval));
            }
            let state = ApprovalState::from(answer);
            set_state(transaction, &id, state, Some(by))?;
            if answer == Answer::Always {
                allow(transaction, &approval)?;
            }
            Ok(Answered::Stored(Approval { state, answered_by: Some(by.to_owned()), ..approval }))
        })
        .await
    }

    /// Marks a question as expired, unless it was answered. Returns its state.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub(crate) async fn expire(&self, id: &ApprovalId) -> Result<ApprovalState, StoreError> {
        let id = id.clone();
        self.write("end a question", move |transaction| {
            match find(transaction, &id)?.map(|approval| approval.state) {
                Some(ApprovalState::Pending) => {
                    set_state(transaction, &id, ApprovalState::Expired, None)?;
                    Ok(ApprovalState::Expired)
                }
                state => Ok(state.unwrap_or(ApprovalState::Expired)),
            }
        })
        .await
    }

    /// Returns a question.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, StoreError> {
        let id = id.clone();
        self.read("read a question", move |transaction| find(transaction, &id)).await
    }

    /// Returns the calls that a person approved for each session.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn allowed_calls(&self) -> Result<Vec<AllowedCall>, StoreError> {
        self.read("list the approved calls", |transaction| {
            let sql = "SELECT tool, subject, reason, at FROM allowed_calls ORDER BY tool, subject, reason";
            let mut statement = transaction.prepare_cached(sql)?;
            let calls = statement.query_map([], |row| {
                let reason = value(&row.get::<_, String>(2)?).unwrap_or(Reason::NoSandbox);
                Ok(AllowedCall { tool: row.get(0)?, subject: row.get(1)?, reason, at: row.get(3)? })
            })?;
            Ok(calls.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Takes back the approvals of a call, for each session. Returns `false` if there was none.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn forget_allowed_call(&self, subject: &str) -> Result<bool, StoreError> {
        let subject = subject.to_owned();
        self.write("forget an approved call", move |transaction| {
            let sql = "DELETE FROM allowed_calls WHERE subject = ?1";
            Ok(transaction.prepare_cached(sql)?.execute([subject])? > 0)
        })
        .await
    }

    /// Returns the questions that wait, of a session or of all, oldest first.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn pending_approvals(&self, session: Option<&SessionId>) -> Result<Vec<Approval>, StoreError> {
        let session = session.cloned();
        self.read("list the questions that wait", move |transaction| {
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM approvals WHERE state = ?1 AND expires_at > ?2 AND (?3 IS NULL OR session = ?3)
                 ORDER BY asked_at"
            ))?;
            let values = params![
                word(&ApprovalState::Pending),
                now_ms(),
                session.as_ref().map(SessionId::as_str)
            ];
            let approvals = statement.query_map(values, approval_of)?;
            Ok(approvals.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Returns `true` if a person denied a call of this tool for this reason in this turn. No answer is a denial.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub(crate) async fn was_denied(
        &self,
        turn: TurnId,
        tool: &str,
        reason: Reason,
    ) -> Result<bool, StoreError> {
        let tool = tool.to_owned();
        self.read("look for a denial", move |transaction| {
            let sql = "SELECT EXISTS (SELECT 1 FROM approvals WHERE turn = ?1 AND tool = ?2 AND reason = ?3
                       AND state IN (?4, ?5))";
            let (deny, expired) = (word(&ApprovalState::Deny), word(&ApprovalState::Expired));
            let mut statement = transaction.prepare_cached(sql)?;
            Ok(statement.query_row(params![turn.0, tool, word(&reason), deny, expired], |row| row.get(0))?)
        })
        .await
    }

    /// Returns `true` if a person approved the same call for this session or for each session.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub(crate) async fn is_approved(
        &self,
        session: &SessionId,
        tool: &str,
        subject: &str,
        reason: Reason,
    ) -> Result<bool, StoreError> {
        let (session, tool, subject) = (session.clone(), tool.to_owned(), subject.to_owned());
        self.read("look for an approval", move |transaction| {
            let sql = "SELECT EXISTS (SELECT 1 FROM approvals WHERE session = ?1 AND tool = ?2 AND subject = ?3
                       AND reason = ?4 AND state = ?5)
                       OR EXISTS (SELECT 1 FROM allowed_calls WHERE tool = ?2 AND subject = ?3 AND reason = ?4)";
            let mut statement = transaction.prepare_cached(sql)?;
            let of_session = word(&ApprovalState::Session);
            let values = params![session.as_str(), tool, subject, word(&reason), of_session];
            Ok(statement.query_row(values, |row| row.get(0))?)
        })
        .await
    }
}

fn allow(transaction: &Transaction<'_>, approval: &Approval) -> Result<(), Fault> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO allowed_calls (tool, subject, reason, at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![approval.tool, approval.subject, word(&approval.reason), now_ms()])?;
    Ok(())
}

/// Ends the questions of a turn that ends.
pub(crate) fn expire_of_turn(transaction: &Transaction<'_>, turn: TurnId) -> Result<(), Fault> {
    let sql = "UPDATE approvals SET state = ?2 WHERE turn = ?1 AND state = ?3";
    let (expired, pending) = (word(&ApprovalState::Expired), word(&ApprovalState::Pending));
    transaction.prepare_cached(sql)?.execute(params![turn.0, expired, pending])?;
    Ok(())
}

fn find(transaction: &Transaction<'_>, id: &ApprovalId) -> Result<Option<Approval>, Fault> {
    let mut statement =
        transaction.prepare_cached(&format!("SELECT {COLUMNS} FROM approvals WHERE id = ?1"))?;
    Ok(statement.query_row([&id.0], approval_of).optional()?)
}

fn set_state(
    transaction: &Transaction<'_>,
    id: &ApprovalId,
    state: ApprovalState,
    by: Option<&str>,
) -> Result<(), Fault> {
    transaction
        .prepare_cached("UPDATE approvals SET state = ?2, answered_at = ?3, answered_by = ?4 WHERE id = ?1")?
        .execute(params![id.0, word(&state), now_ms(), by])?;
    Ok(())
}

/// Returns the questions of a turn, oldest first.
pub(super) fn of_turn(transaction: &Transaction<'_>, turn: TurnId) -> Result<Vec<Approval>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM approvals WHERE turn = ?1 ORDER BY asked_at, id");
    let mut statement = transaction.prepare_cached(&sql)?;
    let approvals = statement.query_map([turn.0], approval_of)?;
    Ok(approvals.collect::<Result<_, _>>()?)
}

fn approval_of(row: &Row<'_>) -> rusqlite::Result<Approval> {
    Ok(Approval {
        id: ApprovalId(row.get(0)?),
        session: SessionId::from(row.get::<_, String>(1)?),
        turn: TurnId(row.get(2)?),
        call_id: row.get(3)?,
        tool: row.get(4)?,
        subject: row.get(5)?,
        // A word of a later version: the careful values.
        reason: value(&row.get::<_, String>(6)?).unwrap_or(Reason::NoSandbox),
        asked_at: row.get(7)?,
        expires_at: row.get(8)?,
        state: value(&row.get::<_, String>(9)?).unwrap_or(ApprovalState::Deny),
        answered_by: row.get(10)?,
    })
}
