//! The budget: a reservation before each model call, and its settlement after.

use std::time::SystemTime;

use hermes_core::timestamp;

use crate::engine::Engine;
use crate::message::Usage;
use crate::provider::ModelRequest;
use crate::settings::Price;
use crate::store::{Reservation, StoreError};

/// The tokens that are reserved for an answer without a configured limit.
const ANSWER: u64 = 4096;

/// The tokens of a million, the unit of prices.
const MILLION: f64 = 1_000_000.0;

/// The permission for a model call.
pub(super) enum Permission {
    /// The call may be made.
    Granted(Option<Reservation>),
    /// The budget is used up.
    Refused(String),
}

impl Engine {
    /// Reserves tokens for a call. `spent` is the usage of the turn so far.
    pub(super) async fn reserve(
        &self,
        request: &ModelRequest,
        spent: &Usage,
    ) -> Result<Permission, StoreError> {
        let budget = &self.limits.budget;
        let need = self.estimate(request).saturating_add(self.limits.answer_length.unwrap_or(ANSWER));
        if let Some(limit) = budget.tokens_per_turn.filter(|limit| spent.total().saturating_add(need) > *limit) {
            return Ok(Permission::Refused(format!(
                "the budget of a turn, {limit} tokens, is used up (budget.tokens_per_turn); the next message begins a new turn"
            )));
        }
        let today = today();
        if let Some(limit) = budget.usd_per_day {
            let used = self.store.used(&today).await?.usd;
            if used >= limit {
                return Ok(Permission::Refused(format!(
                    "the budget of the day, {limit} US dollars, is used up (budget.usd_per_day); it resets at 00:00 UTC"
                )));
            }
        }
        let reserved = self.store.reserve(&today, need, budget.tokens_per_day, &self.owner).await?;
        Ok(match reserved {
            Some(reservation) => Permission::Granted(Some(reservation)),
            None => Permission::Refused(format!(
                "the budget of the day, {} tokens, is used up (budget.tokens_per_day); it resets at 00:00 UTC",
                budget.tokens_per_day.unwrap_or_default()
            )),
        })
    }
}

/// Returns the day in UTC, as `2026-11-28`.
fn today() -> String {
    timestamp::rfc3339(SystemTime::now()).split('T').next().unwrap_or_default().to_owned()
}

/// Returns the cost of a call in US dollars.
pub(super) fn cost(usage: Usage, price: Price) -> f64 {
    let fresh = usage.input.saturating_sub(usage.cached);
    let cost = |tokens: u64, price: f64| tokens as f64 * price / MILLION;
    cost(fresh, price.input) + cost(usage.cached, price.cached) + cost(usage.output, price.output)
}
