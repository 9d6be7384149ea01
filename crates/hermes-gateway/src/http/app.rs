//! The state that all routes share.

use std::sync::Arc;

use super::gate::Gate;
use super::vitals::Vitals;

/// The state that all routes share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) gate: Gate,
    /// The name of the agent as a model.
    pub(crate) model_name: String,
}
