//! What every verb needs to know: where Hermes keeps its files, which profile is meant, and who runs gateways here.

use hermes_core::{Home, ProfileName, active_profile};
use hermes_service::ServiceManager;
use hermes_service::detect::Probe;
use hermes_service::none::NoServiceManager;
use hermes_service::s6::S6;

use crate::error::CommandError;
use crate::failures::no_such_gateway;

/// Where a verb works.
pub(crate) struct Context {
    pub(crate) home: Home,
    /// What `-p` says.
    named: Option<ProfileName>,
}

impl Context {
    pub(crate) fn new(named: Option<ProfileName>) -> Result<Self, CommandError> {
        Ok(Self { home: Home::from_env()?, named })
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

    /// Who runs gateways here.
    pub(crate) fn service_manager(&self) -> Box<dyn ServiceManager> {
        match self.s6() {
            Some(s6) => Box::new(s6),
            None => Box::new(NoServiceManager),
        }
    }
}
