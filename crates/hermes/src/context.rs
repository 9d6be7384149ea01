//! The place and the profile of a command.

use std::env;
use std::path::Path;
use std::sync::Arc;

use hermes_core::profile::active as active_profile;
use hermes_core::{Home, ProfileName};
use hermes_operations::{Operations, Report, ReportKind, must_exist, supervised};
use hermes_service::ServiceManager;
use hermes_service::detect::{Probe, in_our_image};
use hermes_service::launchd::Launchd;
use hermes_service::none::NoServiceManager;
use hermes_service::s6::S6;
use hermes_service::systemd::Systemd;

use crate::output::Printer;

/// The place of a command.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) home: Home,
    /// The profile that `-p` names.
    named: Option<ProfileName>,
}

impl Context {
    /// # Errors
    /// `HERMES_HOME` names no directory, or this user may not look at it.
    pub(crate) fn new(named: Option<ProfileName>) -> Result<Self, Report> {
        supervised::must_be_the_account()?;
        Ok(Self { home: Home::from_env()?, named })
    }

    /// Returns `true` if `-p` was given.
    pub(crate) fn names_a_profile(&self) -> bool {
        self.named.is_some()
    }

    /// Returns the profile that `-p` names, else the active one. It need not exist.
    pub(crate) fn profile(&self) -> Result<ProfileName, Report> {
        match &self.named {
            Some(name) => Ok(name.clone()),
            None => Ok(active_profile::read(&self.home)?),
        }
    }

    /// Returns the same profile, which must exist.
    pub(crate) fn existing_profile(&self) -> Result<ProfileName, Report> {
        let profile = self.profile()?;
        must_exist(&self.home, &profile)?;
        Ok(profile)
    }

    /// Returns s6 if it supervises here.
    pub(crate) fn s6(&self) -> Option<S6> {
        Probe::default().s6_runs().then(|| S6::of_the_image(self.home.clone()))
    }

    /// Returns the operations on this volume, with the service manager of this machine. They print their lines.
    ///
    /// # Errors
    /// As [`service_manager`](Self::service_manager).
    pub(crate) fn operations(&self) -> Result<Operations, Report> {
        Ok(self.operations_with(self.service_manager()?))
    }

    /// Returns the operations with this service manager.
    pub(crate) fn operations_with(&self, manager: Arc<dyn ServiceManager>) -> Operations {
        Operations::new(self.home.clone(), manager).with_progress(Arc::new(Printer))
    }

    /// Returns the service manager of this machine: s6 in a container of the image, else the user's systemd or launchd, else none.
    ///
    /// # Errors
    /// There is one, and the place of its files is unknown.
    pub(crate) fn service_manager(&self) -> Result<Arc<dyn ServiceManager>, Report> {
        if let Some(s6) = self.s6() {
            return Ok(Arc::new(s6));
        }
        if in_our_image() {
            return Ok(Arc::new(NoServiceManager));
        }
        let program = || {
            env::current_exe().map_err(|error| {
                Report::new(ReportKind::Failed, "failed to find the program hermes itself").caused_by(error)
            })
        };
        if cfg!(target_os = "macos") {
            return Ok(Arc::new(Launchd::of_this_user(self.home.clone(), program()?)?));
        }
        // systemd makes this directory for a user whose service manager runs: sd_booted(3), for users.
        let runs = env::var_os("XDG_RUNTIME_DIR")
            .is_some_and(|runtime| Path::new(&runtime).join("systemd").is_dir());
        if runs {
            return Ok(Arc::new(Systemd::of_this_user(self.home.clone(), program()?)?));
        }
        Ok(Arc::new(NoServiceManager))
    }
}
