//! The use of models by other agents, on behalf of a call. The engine charges the budget with it while the call runs.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::message::Usage;

/// The tokens of one model call of another agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The model.
    pub model: String,
    /// The tokens.
    pub usage: Usage,
}

/// Takes what other agents use for a call. The default one forgets it.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Option<mpsc::UnboundedSender<Spent>>);

impl Ledger {
    /// Creates a ledger and the receiver of its entries.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Spent>) {
        let (sender, entries) = mpsc::unbounded_channel();
        (Self(Some(sender)), entries)
    }

    /// Adds an entry.
    pub fn add(&self, spent: Spent) {
        if let Some(sender) = &self.0 {
            // The receiver lives as long as the call.
            let _ = sender.send(spent);
        }
    }
}
