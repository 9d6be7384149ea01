//! `stop`.

use hermes_core::{DesiredState, ProfileName, StateFile};
use hermes_service::{ServiceError, Wait};

use crate::operations::Operations;
use crate::report::Report;

impl Operations {
    /// Writes the desired state, then stops the gateway. If the desired state cannot be written (a full disk), the gateway is stopped
    /// all the same, and the failure is returned.
    ///
    /// # Errors
    /// Nobody can stop it from here, it does not stop in time, or the desired state cannot be written.
    pub fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), Report> {
        self.must_drive_from_here()?;
        let written = StateFile::of(self.home(), profile).set_desired(DesiredState::Stopped);
        match self.manager().stop(profile, wait) {
            // A gateway that nobody supervises is down.
            Err(ServiceError::NoSuchGateway { .. }) => {}
            other => other?,
        }
        Ok(written?)
    }
}
