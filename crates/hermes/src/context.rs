//! What every verb needs to know: where Hermes keeps its files, which profile is meant, and who runs gateways here.

use std::env;
use std::path::Path;

use hermes_core::profile::active as active_profile;
use hermes_core::{Home, ProfileName};
use hermes_service::ServiceManager;
use hermes_service::detect::{Probe, in_our_image};
use hermes_service::launchd::Launchd;
use hermes_service::none::NoServiceManager;
use hermes_service::s6::S6;
use hermes_service::systemd::Systemd;

use crate::account;
use crate::error::{CommandError, Exit};
use crate::failures::no_such_gateway;
use crate::supervised;

/// Where a verb works.
pub(crate) struct Context {
    pub(crate) home: Home,
    /// What `-p` says.
    named: Option<ProfileName>,
}

impl Context {
    /// # Errors
    /// `HERMES_HOME` names no directory, or this user may not look at it.
    pub(crate) fn new(named: Option<ProfileName>) -> Result<Self, CommandError> {
        supervised::must_be_the_account()?;
        Ok(Self { home: Home::from_env()?, named })
    }

    /// With no profile named.
    pub(crate) fn at(home: Home) -> Self {
        Self { home, named: None }
    }

    /// Whether `-p` was given.
    pub(crate) fn names_a_profile(&self) -> bool {
        self.named.is_some()
    }

    /// The profile that is meant, whether or not it exists: the one that `-p` names, else the active one.
    pub(crate) fn profile(&self) -> Result<ProfileName, CommandError> {
        match &self.named {
            Some(name) => Ok(name.clone()),
            None => Ok(active_profile::read(&self.home)?),
        }
    }

    /// The profile that is meant, which must exist.
    pub(crate) fn existing_profile(&self) -> Result<ProfileName, CommandError> {
        let profile = self.profile()?;
        self.must_exist(&profile)?;
        Ok(profile)
    }

    /// # Errors
    /// There is no such profile.
    pub(crate) fn must_exist(&self, profile: &ProfileName) -> Result<(), CommandError> {
        if self.home.has_profile(profile)? { Ok(()) } else { Err(no_such_gateway(profile)) }
    }

    /// s6, where it supervises here.
    pub(crate) fn s6(&self) -> Option<S6> {
        Probe::default().s6_runs().then(|| S6::of_the_image(self.home.clone()))
    }

    /// Who runs gateways here: s6 in a container of the image, else the user's systemd or launchd, else nobody.
    ///
    /// # Errors
    /// There is one, and where its files lie is not known.
    pub(crate) fn service_manager(&self) -> Result<Box<dyn ServiceManager>, CommandError> {
        if let Some(s6) = self.s6() {
            // The slots and all that gateways keep are the account's: what root made there would be out of its reach, even
            // where root was told to stay root.
            account::become_account()?;
            return Ok(Box::new(s6));
        }
        if in_our_image() {
            return Ok(Box::new(NoServiceManager));
        }
        let program = || {
            env::current_exe().map_err(|error| {
                CommandError::new(Exit::Failed, "cannot tell where hermes itself lies").caused_by(error)
            })
        };
        if cfg!(target_os = "macos") {
            return Ok(Box::new(Launchd::of_this_user(self.home.clone(), program()?)?));
        }
        // What systemd makes for a user whose service manager runs: sd_booted(3), for users.
        let runs = env::var_os("XDG_RUNTIME_DIR")
            .is_some_and(|runtime| Path::new(&runtime).join("systemd").is_dir());
        if runs {
            return Ok(Box::new(Systemd::of_this_user(self.home.clone(), program()?)?));
        }
        Ok(Box::new(NoServiceManager))
    }
}
