//! What is supervised here, gathered once for `health` and the overview.

use std::path::Path;
use std::time::SystemTime;

use hermes_service::detect::Probe;
use hermes_service::s6::{self, SlotState};
use serde::Serialize;

use crate::error::{CommandError, Exit};

/// A slot and its state; no state when nothing supervises it (yet).
#[derive(Debug, Serialize)]
pub(crate) struct Supervised {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) state: Option<SlotState>,
}

impl Supervised {
    /// Whether it is what it should be: nobody wants it up, or it is.
    pub(crate) fn is_well(&self) -> bool {
        self.state.is_some_and(|state| state.up || !state.wanted_up)
    }

    /// A word for its state.
    pub(crate) fn word(&self) -> &'static str {
        match self.state {
            None => "unsupervised",
            Some(state) if state.up && state.ready => "ready",
            Some(state) if state.up => "up",
            Some(state) if state.wanted_up => "failing",
            Some(_) => "down",
        }
    }
}

/// Whether s6 supervises here.
pub(crate) fn s6_runs() -> bool {
    Probe::default().s6_runs()
}

/// Every slot of the account's tree.
///
/// # Errors
/// When there is no s6 here, or the scan directory cannot be read.
pub(crate) fn all() -> Result<Vec<Supervised>, CommandError> {
    if !s6_runs() {
        return Err(CommandError::new(Exit::NoServiceManager, "s6 does not supervise here")
            .hint("run this in a container of the hermes image: docker exec CONTAINER hermes …"));
    }
    let slots = s6::slots(Path::new(s6::SCANDIR))
        .map_err(|error| CommandError::new(Exit::Failed, "cannot list the slots").caused_by(error))?;
    let now = SystemTime::now();
    let with_state = slots.into_iter().map(|slot| {
        let state = s6::slot_state(&slot.directory, now).ok();
        Supervised { name: slot.name, state }
    });
    Ok(with_state.collect())
}
