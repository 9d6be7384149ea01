//! An order for a gateway, as a value.

use hermes_core::ProfileName;
use hermes_service::Wait;
use serde::{Deserialize, Serialize};

use crate::operations::Operations;
use crate::report::Report;

/// An order for a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Run, now and after a restart of the container.
    Start,
    /// Stop, and stay down.
    Stop,
    /// Stop and start.
    Restart,
}

impl Verb {
    /// The word of the command line, and of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    /// Returns the verb of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Start, Self::Stop, Self::Restart].into_iter().find(|verb| verb.word() == word)
    }
}

impl Operations {
    /// Gives the order to the gateway of `profile`.
    ///
    /// # Errors
    /// As [`start`](Self::start), [`stop`](Self::stop) and [`restart`](Self::restart).
    pub fn drive(&self, profile: &ProfileName, verb: Verb, wait: Wait) -> Result<(), Report> {
        match verb {
            Verb::Start => self.start(profile, wait),
            Verb::Stop => self.stop(profile, wait),
            Verb::Restart => self.restart(profile, wait),
        }
    }
}
