//! Compaction of a stored conversation: the plan, the model's summary, the new rows.

use std::sync::PoisonError;

use crate::compaction::{Cause, Gains, Limits, is_due, plan};
use crate::engine::Engine;
use crate::engine::spending::Permission;
use crate::message::{Message, Usage};
use crate::provider::{ErrorClass, ModelRequest, ProviderError};
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
    /// The model wrote no summary, or there is nothing to gain.
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
        let messages = self.visible(session).await?;
        let estimator = *self.estimator.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: crate::compaction::NoGain| CompactError::Model(invalid(error.to_string()));
        let mut plan = plan(&messages, &self.compaction_limits(), &estimator, cause).map_err(failed)?;
        let mut usage = None;
        let summary = loop {
            let Some(request) = plan.request() else { break String::new() };
            match self.summary(&request, &mut usage).await {
                Err(CompactError::Model(error))
                    if error.class == ErrorClass::ContextTooLong && plan.drop_oldest() => {}
                summary => break summary?,
            }
        };
        let compacted = plan.apply(&messages, &summary).map_err(failed)?;
        let lengths = Lengths { before: compacted.before, after: compacted.after };
        self.store.compact(session, compacted.history).await?;
        Ok(lengths)
    }

    /// Returns `true` if the history must be compacted before the next call: the last call reported this usage.
    pub(super) fn compaction_is_due(&self, usage: Option<Usage>, gains: Gains) -> bool {
        let rules = &self.limits.compression;
        let input = usage.map(|usage| usage.input);
        rules.enabled && !gains.are_exhausted() && is_due(input, self.limits.context_length, rules.threshold)
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

    async fn visible(&self, session: &SessionId) -> Result<Vec<Message>, StoreError> {
        let stored = self.store.conversation(session).await?;
        Ok(stored.into_iter().map(|stored| stored.message).collect())
    }

    /// Calls the default model for a summary. The call counts for the budget.
    async fn summary(&self, request: &ModelRequest, usage: &mut Option<Usage>) -> Result<String, CompactError> {
        let Some(provider) = self.models.first() else {
            return Err(CompactError::Model(invalid("no model is configured".to_owned())));
        };
        let reservation = match self.reserve(request, &Usage::default()).await? {
            Permission::Granted(reservation) => reservation,
            Permission::Refused(message) => {
                return Err(CompactError::Model(ProviderError { class: ErrorClass::Payment, ..invalid(message) }));
            }
        };
        let answer = provider.call(request, &mut |_| {}).await;
        let reported = answer.as_ref().ok().and_then(|answer| answer.usage);
        self.settle(reservation, provider.model(), reported).await?;
        *usage = reported;
        let answer = answer.map_err(CompactError::Model)?;
        Ok(Message { role: crate::message::Role::Assistant, blocks: answer.blocks }.plain_text())
    }
}

fn invalid(message: String) -> ProviderError {
    ProviderError { class: ErrorClass::Invalid, message, status: None, retry_after: None, hint: None }
}
