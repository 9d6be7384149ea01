//! The budget: a reservation before each model call, its settlement after it, and charges for the model calls of other agents.

use std::time::SystemTime;

use hermes_core::timestamp;
use tokio::sync::mpsc;

use crate::engine::parts::Engine;
use crate::engine::progress::Progress;
use crate::message::Usage;
use crate::provider::ModelRequest;
use crate::settings::Price;
use crate::store::{Limit, Reservation, ReserveError, StoreError, Used};
use crate::tools::{Invocation, Ledger, Spent, Tool, ToolOutput};

/// The tokens that are reserved for an answer without a configured limit.
const ANSWER: u64 = 4096;

const DAY_IS_USED_UP: &str =
    "the budget of the day is used up (budget.tokens_per_day, budget.usd_per_day); it resets at 00:00 UTC";

/// The permission for a model call.
pub(super) enum Permission {
    /// The call may be made. Without a budget of the day, nothing is reserved.
    Granted(Option<Reservation>),
    /// The budget is used up. The text says when it resets.
    Refused(String),
}

impl Engine {
    /// Reserves a part of the budget for a call. `spent` is the use of the turn so far.
    pub(super) async fn reserve(
        &self,
        model: &str,
        request: &ModelRequest,
        spent: Usage,
    ) -> Result<Permission, StoreError> {
        let budget = &self.limits.budget;
        let input = self.estimate(request);
        let output = request.max_tokens.or(self.limits.answer_length).unwrap_or(ANSWER);
        let need = Usage { input, output, ..Usage::default() };
        if let Some(limit) = budget.tokens_per_turn
            && spent.total().saturating_add(need.total()) > limit
        {
            return Ok(Permission::Refused(format!(
                "the budget of a turn is used up: {limit} tokens (budget.tokens_per_turn); the next message begins a new turn"
            )));
        }
        let limit = self.day_limit();
        if limit == Limit::default() {
            return Ok(Permission::Granted(None));
        }
        let usd = self.cost(model, need);
        match self.store.reserve(&self.owner, &today(), need.total(), usd, limit).await {
            Ok(reservation) => Ok(Permission::Granted(Some(reservation))),
            Err(ReserveError::Exhausted { .. }) => Ok(Permission::Refused(DAY_IS_USED_UP.to_owned())),
            Err(ReserveError::Store(error)) => Err(error),
        }
    }

    /// Replaces a reservation by the use of its call.
    pub(super) async fn settle(
        &self,
        reservation: Option<Reservation>,
        model: &str,
        used: Usage,
    ) -> Result<(), StoreError> {
        match reservation {
            Some(reservation) => self.store.settle(reservation, used.total(), self.cost(model, used)).await,
            None => Ok(()),
        }
    }

    /// Runs a tool. Charges the budget with what other agents use for it, and ends the call if the budget of the day is used up.
    pub(super) async fn run_charged(
        &self,
        tool: &dyn Tool,
        invocation: Invocation,
        report: &mpsc::UnboundedSender<Progress>,
    ) -> Result<ToolOutput, StoreError> {
        let (ledger, mut entries) = Ledger::new();
        let mut run = tool.run(Invocation { ledger, ..invocation });
        let output = loop {
            tokio::select! {
                biased;
                Some(spent) = entries.recv() => {
                    if self.charge(&spent, report).await? {
                        break ToolOutput::failed(format!("failed to go on: {DAY_IS_USED_UP}"));
                    }
                }
                output = &mut run => break output,
            }
        };
        while let Ok(spent) = entries.try_recv() {
            self.charge(&spent, report).await?;
        }
        Ok(output)
    }

    /// Returns `true` if the budget of the day is used up.
    async fn charge(
        &self,
        spent: &Spent,
        report: &mpsc::UnboundedSender<Progress>,
    ) -> Result<bool, StoreError> {
        // The receiver lives as long as the turn.
        let _ = report.send(Progress::Spent(spent.usage));
        let limit = self.day_limit();
        if limit == Limit::default() {
            return Ok(false);
        }
        let usd = self.cost(&spent.model, spent.usage);
        let used = self.store.charge(&today(), spent.usage.total(), usd).await?;
        Ok(limit.is_exceeded(used.tokens, used.usd))
    }

    /// Returns the use of today and its limit.
    pub(crate) async fn used_today(&self) -> Result<(Used, Limit), StoreError> {
        Ok((self.store.used(&today()).await?, self.day_limit()))
    }

    fn day_limit(&self) -> Limit {
        let budget = &self.limits.budget;
        Limit { tokens: budget.tokens_per_day, usd: budget.usd_per_day }
    }

    /// Returns the estimated tokens of a request.
    pub(super) fn estimate(&self, request: &ModelRequest) -> u64 {
        self.estimator().estimate(&request.messages, &request.system, &request.tools)
    }

    /// Returns the price of a model, if the settings have one.
    pub(crate) fn price_of(&self, model: &str) -> Option<&Price> {
        self.limits.budget.prices.get(model)
    }

    /// Returns the cost in US dollars; 0 for a model without a price.
    fn cost(&self, model: &str, usage: Usage) -> f64 {
        self.price_of(model).map_or(0.0, |price| price.cost(usage))
    }
}

/// Returns the day in UTC, as `2026-11-28`.
pub(super) fn today() -> String {
    timestamp::rfc3339(SystemTime::now()).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use crate::message::Usage;
    use crate::settings::Price;

    #[test]
    fn cached_tokens_have_their_own_price() {
        let price = Price { input: 3.0, cached: 0.3, output: 15.0 };
        let usage = Usage { input: 1_000_000, cached: 500_000, output: 100_000, ..Usage::default() };
        assert!((price.cost(usage) - (1.5 + 0.15 + 1.5)).abs() < 1e-9);
    }
}
