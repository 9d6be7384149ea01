//! `restart`.

use hermes_core::ProfileName;
use hermes_service::Wait;

use crate::operations::Operations;
use crate::report::Report;

impl Operations {
    /// Writes the desired state, then stops the gateway and starts it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), Report> {
        self.start_by(profile, |manager| manager.restart(profile, wait))
    }
}
