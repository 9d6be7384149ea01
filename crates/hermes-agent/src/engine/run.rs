//! The run of a turn: begin, driver, end.

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::driver::Driver;
use super::parts::Engine;
use super::progress::Progress;
use crate::message::Message;
use crate::protocol::{Event, StopReason, Submission, TurnEnd};
use crate::question::Person;
use crate::store::{BeginError, SessionId, StoreError};

impl Engine {
    /// Runs a turn of `session` with this message, to its end. `inbox` may steer or interrupt it. `person` tells if somebody can
    /// answer a question. If the future is dropped, the turn stays open, as after a crash: interrupt it instead.
    ///
    /// # Errors
    /// Another process runs a turn of the session, or the store failed.
    pub async fn run_turn(
        &self,
        session: &SessionId,
        message: Message,
        person: Person,
        inbox: &mut mpsc::Receiver<Submission>,
        events: &mut (dyn FnMut(Event) + Send),
    ) -> Result<TurnEnd, BeginError> {
        self.end_unended(session).await?;
        // After the begin, each failure must pass the driver: it leaves the turn open.
        let usage = self.store.last_usage(session).await?;
        let turn = self.store.begin_turn(session, &self.owner, message).await?;
        let compaction_due = self.compaction_is_due(session, usage);
        let driver = Driver::new(self, session.clone(), turn, person, events);
        let ended = driver.run(compaction_due, inbox).await;
        if ended.is_err() {
            self.unended().insert(session.clone(), turn);
        }
        Ok(ended?)
    }

    /// Completes the tools: they must be the same in each model call of a session. Returns `None` if they are complete.
    pub(super) fn prepare(&self, report: mpsc::UnboundedSender<Progress>) -> Option<BoxFuture<'_, ()>> {
        let complete = async move {
            // The receiver lives as long as this future.
            self.tools.complete(&move |text| drop(report.send(Progress::Notice(text)))).await;
        };
        (!self.tools.is_complete()).then(|| Box::pin(complete) as BoxFuture<'_, ()>)
    }

    /// Ends the turn of `session` whose store failed, so that another one can begin.
    async fn end_unended(&self, session: &SessionId) -> Result<(), StoreError> {
        let turn = self.unended().get(session).copied();
        let Some(turn) = turn else { return Ok(()) };
        let ended = self.store.end_turn(turn, Vec::new(), StopReason::Failed, None).await;
        if let Ok(()) | Err(StoreError::TurnNotOpen { .. }) = ended {
            self.unended().remove(session);
            return Ok(());
        }
        ended
    }
}
