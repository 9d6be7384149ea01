//! `delete`.

use std::io::ErrorKind;

use hermes_core::profile::active as active_profile;
use hermes_core::{ProfileDirectories, ProfileName};
use hermes_os::removal;

use crate::foreground;
use crate::operations::Operations;
use crate::report::{Report, ReportKind, must_not_be_mounted, no_such_gateway};

impl Operations {
    /// Stops the gateway of a profile and removes all that the profile has, if it exists and `confirm` does not object. Returns `true`
    /// if it was the active profile.
    ///
    /// # Errors
    /// There is no such profile, `confirm` objects, or a step failed.
    pub fn delete(
        &self,
        name: &ProfileName,
        confirm: impl FnOnce() -> Result<(), Report>,
    ) -> Result<bool, Report> {
        let (home, manager) = (self.home(), self.manager());
        let exists = home.has_profile(name)?;
        // A profile whose directory was removed by hand may have left its gateway behind.
        let registered =
            manager.supports_runtime_registration() && manager.list_profile_gateways()?.contains(name);
        if !exists && !registered {
            return Err(no_such_gateway(name));
        }
        must_not_be_mounted(home, name, "delete")?;
        confirm()?;
        foreground::must_not_run(home, manager, name)?;
        if manager.supports_runtime_registration() {
            manager.unregister_profile_gateway(name)?;
        }
        if exists {
            ProfileDirectories::lock(home)?.remove(name).map_err(|error| {
                Report::from(error).hint(
                    "the gateway is stopped and no longer registered; remove what is left by hand, as the owner of those \
                     files",
                )
            })?;
        }
        self.remove_logs(name)?;
        let was_active = active_profile::read(home).is_ok_and(|active| active == *name);
        if was_active {
            active_profile::write(home, &ProfileName::default_profile())?;
        }
        Ok(was_active)
    }

    fn remove_logs(&self, name: &ProfileName) -> Result<(), Report> {
        let directory = self.home().gateway_logs_directory(name);
        match removal::remove(&directory, removal::A_MINUTE) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => {
                let denied = error.kind() == ErrorKind::PermissionDenied;
                let kind = if denied { ReportKind::NoPermission } else { ReportKind::CannotWrite };
                Err(Report::new(kind, format!("failed to remove {}", directory.display()))
                    .caused_by(error)
                    .hint("the profile is gone, its logs are left; remove them by hand, as the owner of those files"))
            }
        }
    }
}
