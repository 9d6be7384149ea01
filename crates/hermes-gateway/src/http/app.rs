//! The state that all routes share.

use std::sync::Arc;

use hermes_core::ObservedState;

use super::gate::Gate;
use super::run_registry::Runs;
use super::vitals::Vitals;
use crate::agent::AgentHandle;
use crate::turns::Turns;

/// The state that all routes share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) gate: Gate,
    /// The name of the agent as a model.
    pub(crate) model_name: String,
    pub(crate) agent: AgentHandle,
    pub(crate) turns: Arc<Turns>,
    pub(crate) runs: Runs,
}

impl App {
    /// Returns the state of the gateway. It is `degraded` while the budget is used up, and after a database was set aside.
    pub(crate) fn observe(&self) -> ObservedState {
        let state = self.vitals.state();
        if !matches!(state, ObservedState::Running | ObservedState::Degraded) {
            return state;
        }
        let is_degraded = self.turns.stats.budget_is_used_up() || self.agent.has_set_aside();
        let state = if is_degraded { ObservedState::Degraded } else { ObservedState::Running };
        self.vitals.set_state(state);
        state
    }
}
