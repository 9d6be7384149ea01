//! The question to a person about a call, and the wait for the answer.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::approval::{Answer, ApprovalId, ApprovalState, Reason};
use crate::engine::parts::Engine;
use crate::engine::progress::Progress;
use crate::message::ToolCall;
use crate::store::{Answered, NewApproval, SessionId, StoreError, TurnId};

/// The interval of looks for an answer of another process.
const LOOK: Duration = Duration::from_millis(300);

/// A call that may need an approval.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) session: &'a SessionId,
    pub(super) turn: TurnId,
    pub(super) call: &'a ToolCall,
    pub(super) report: &'a mpsc::UnboundedSender<Progress>,
}

/// The decision of a person.
pub(super) enum Decision {
    Approved,
    /// The text is for the model.
    Denied(&'static str),
}

const DENIED: Decision = Decision::Denied(
    "A person denied this. Do not try it again in this turn, in this form or in another one. Go on without it, or say what you need.",
);
const DENIED_BEFORE: Decision = Decision::Denied(
    "A person denied this kind of call earlier in this turn, so it was not asked again. Go on without it, or say what you need.",
);
const UNANSWERED: Decision = Decision::Denied(
    "It needs the approval of a person, and nobody answered in time. Go on without it, and say in your answer what you need.",
);

impl Engine {
    /// Asks for an approval of `subject`, unless the answer is known.
    pub(super) async fn ask(
        &self,
        call: Call<'_>,
        subject: &str,
        reason: Reason,
    ) -> Result<Decision, StoreError> {
        let tool = &call.call.name;
        if self.store.was_denied(call.turn, tool, reason).await? {
            return Ok(DENIED_BEFORE);
        }
        if self.store.is_approved(call.session, tool, subject, reason).await? {
            return Ok(Decision::Approved);
        }
        let time_limit = self.rules.approvals.timeout;
        let deadline = Instant::now() + time_limit;
        let new = NewApproval {
            session: call.session.clone(),
            turn: call.turn,
            call_id: call.call.id.clone(),
            tool: tool.clone(),
            subject: subject.to_owned(),
            reason,
            time_limit,
        };
        let approval = self.store.ask(new).await?;
        let id = approval.id.clone();
        // The receiver lives as long as this future.
        let _ = call.report.send(Progress::Asked(approval));
        let state = self.answer_of(&id, deadline).await?;
        let _ = call.report.send(Progress::Answered(id, state));
        Ok(match state {
            ApprovalState::Once | ApprovalState::Session | ApprovalState::Always => Decision::Approved,
            ApprovalState::Deny => DENIED,
            ApprovalState::Pending | ApprovalState::Expired => UNANSWERED,
        })
    }

    async fn answer_of(&self, id: &ApprovalId, deadline: Instant) -> Result<ApprovalState, StoreError> {
        loop {
            let answered = self.answers.notified();
            let state = self.store.approval(id).await?.map_or(ApprovalState::Expired, |found| found.state);
            if state != ApprovalState::Pending {
                return Ok(state);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.store.expire(id).await;
            }
            tokio::select! {
                () = answered => {}
                () = sleep(left.min(LOOK)) => {}
            }
        }
    }

    /// Stores the answer of a person. The turn that waits may be of another process.
    ///
    /// # Errors
    /// The store failed.
    pub async fn answer(
        &self,
        id: &ApprovalId,
        answer: Answer,
        by: &'static str,
    ) -> Result<Answered, StoreError> {
        let answered = self.store.answer(id, answer, by).await?;
        self.answers.notify_waiters();
        Ok(answered)
    }
}
