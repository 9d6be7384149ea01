//! `install` and `uninstall`: the host's service manager knows the gateway, or no longer.

use hermes_core::ProfileName;

use crate::operations::Operations;
use crate::report::{Report, ReportKind, selecting};

impl Operations {
    /// Makes the host's service manager know the gateway of `profile`.
    ///
    /// # Errors
    /// Gateways need no installation here, or the service manager refuses.
    pub fn install(&self, profile: &ProfileName) -> Result<(), Report> {
        self.must_need_installation(profile)?;
        Ok(self.manager().install(profile)?)
    }

    /// Undoes [`install`](Self::install).
    ///
    /// # Errors
    /// As [`install`](Self::install).
    pub fn uninstall(&self, profile: &ProfileName) -> Result<(), Report> {
        self.must_need_installation(profile)?;
        Ok(self.manager().uninstall(profile)?)
    }

    /// Fails where profiles are registered when they are created: there is nothing to install.
    fn must_need_installation(&self, profile: &ProfileName) -> Result<(), Report> {
        if !self.manager().supports_runtime_registration() {
            return Ok(());
        }
        let error = "in a container gateways are not installed: each profile has one, from its creation to its deletion";
        let start = format!("hermes {}gateway start", selecting(profile));
        Err(Report::new(ReportKind::Unsupported, error).hint(if profile.is_default() {
            format!("the default profile's is always there: {start}")
        } else {
            format!(
                "hermes profile create {profile}, then {start}; hermes profile delete {profile} ends both"
            )
        }))
    }
}
