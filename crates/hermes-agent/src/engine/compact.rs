//! Compaction of a stored conversation: the plan, the model's summary, the new rows.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use crate::compaction::{Cause, Compacted, Gains, Limits, NoGain, is_due, plan};
use crate::engine::parts::Engine;
use crate::engine::spending::Permission;
use crate::message::{Message, Role, Usage};
use crate::provider::{ErrorClass, ModelRequest, ProviderError};
use crate::repair::sendable;
use crate::store::{SessionId, StoreError};

/// The lengths of a conversation around a compaction, in estimated tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// The reason why a history was not compacted. It is as before.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// There is nothing to gain.
    #[error(transparent)]
    NoGain(#[from] NoGain),
    /// The model wrote no summary.
    #[error(transparent)]
    Model(ProviderError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Compacts the conversation of `session`. No turn of the session may run, except the one that calls this.
    ///
    /// # Errors
    /// See [`CompactError`].
    pub async fn compact(&self, session: &SessionId, cause: Cause) -> Result<Lengths, CompactError> {
        let messages = self.store.conversation(session).await?;
        let messages = sendable(messages.into_iter().map(|stored| stored.message).collect());
        let compacted = self.compacted(session, &messages, cause).await;
        let lengths = match &compacted {
            Ok(Compacted { before, after, .. }) => Some(Lengths { before: *before, after: *after }),
            Err(CompactError::NoGain(_)) => {
                let length = self.estimator().messages(&messages);
                Some(Lengths { before: length, after: length })
            }
            // A model that cannot be reached says nothing about the history.
            Err(CompactError::Model(_) | CompactError::Store(_)) => None,
        };
        if let Some(Lengths { before, after }) = lengths {
            self.gains().entry(session.clone()).or_default().record(before, after);
        }
        compacted.map(|Compacted { before, after, .. }| Lengths { before, after })
    }

    async fn compacted(
        &self,
        session: &SessionId,
        messages: &[Message],
        cause: Cause,
    ) -> Result<Compacted, CompactError> {
        let estimator = *self.estimator();
        let mut plan = plan(messages, &self.compaction_limits(), &estimator, cause)?;
        let (summary, usage) = loop {
            let Some(request) = plan.request() else { break (String::new(), None) };
            match self.summary(&request).await {
                Err(CompactError::Model(error))
                    if error.class == ErrorClass::ContextTooLong && plan.drop_oldest() => {}
                summary => break summary?,
            }
        };
        let compacted = plan.apply(messages, &summary)?;
        self.store.compact(session, compacted.history.clone(), usage).await?;
        Ok(compacted)
    }

    /// Returns `true` if the history must be compacted before the next call: the last call reported this usage.
    pub(super) fn compaction_is_due(&self, session: &SessionId, usage: Option<Usage>) -> bool {
        let rules = &self.limits.compression;
        let input = usage.map(|usage| usage.input);
        rules.enabled
            && is_due(input, self.limits.context_length, rules.threshold)
            && !self.compaction_stopped(session)
    }

    /// Returns `true` if the last two compactions of the session gained too little.
    pub(super) fn compaction_stopped(&self, session: &SessionId) -> bool {
        self.gains().get(session).is_some_and(|gains| gains.are_exhausted())
    }

    fn gains(&self) -> MutexGuard<'_, HashMap<SessionId, Gains>> {
        self.gains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compaction_limits(&self) -> Limits {
        let rules = &self.limits.compression;
        Limits {
            context_length: self.limits.context_length,
            threshold: rules.threshold,
            target_ratio: rules.target_ratio,
            protect_last_n: rules.protect_last_n,
        }
    }

    /// Calls the default model for a summary. The call counts for the budget.
    async fn summary(
        &self,
        request: &ModelRequest,
    ) -> Result<(String, Option<(String, Usage)>), CompactError> {
        let Some(provider) = self.models.first() else {
            return Err(CompactError::Model(invalid("no model is configured".to_owned())));
        };
        let model = provider.model();
        let reservation = match self.reserve(model, request, Usage::default()).await? {
            Permission::Granted(reservation) => reservation,
            Permission::Refused(message) => {
                let error = ProviderError { class: ErrorClass::Payment, ..invalid(message) };
                return Err(CompactError::Model(error));
            }
        };
        let answer = provider.call(request, &mut |_| {}).await;
        let usage = answer.as_ref().ok().and_then(|answer| answer.usage);
        self.settle(reservation, model, usage.unwrap_or_default()).await?;
        let answer = answer.map_err(CompactError::Model)?;
        let text = Message { role: Role::Assistant, blocks: answer.blocks }.plain_text();
        Ok((text, usage.map(|usage| (model.to_owned(), usage))))
    }
}

fn invalid(message: String) -> ProviderError {
    ProviderError { class: ErrorClass::Invalid, message, status: None, retry_after: None, hint: None }
}
