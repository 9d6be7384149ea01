//! A service manager in memory: it starts no process, and does what a test tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hermes_core::ProfileName;

use crate::error::ServiceError;
use crate::kind::Kind;
use crate::manager::{ServiceManager, ServiceStatus, Wait};

/// The service manager. It registers gateways at run time, as s6 does, and says that it is a systemd: s6 would have files of the
/// container.
#[derive(Debug, Default)]
pub struct FakeManager {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    gateways: BTreeMap<ProfileName, ServiceStatus>,
    unregisterable: BTreeSet<ProfileName>,
    /// The reason with which every start is given up.
    gives_up: Option<String>,
}

/// The PID that no process of Linux has.
const NO_PROCESS: u32 = 1 << 30;

impl FakeManager {
    /// Registers the gateway, with this status.
    pub fn set_status(&self, profile: &ProfileName, status: ServiceStatus) {
        self.state().gateways.insert(profile.clone(), status);
    }

    /// Makes every registration of this gateway fail.
    pub fn refuse_registration_of(&self, profile: &ProfileName) {
        self.state().unregisterable.insert(profile.clone());
    }

    /// Gives up every gateway at its start, with this reason.
    pub fn give_up_starts(&self, reason: &str) {
        self.state().gives_up = Some(reason.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, profile: &ProfileName, up: bool) -> Result<(), ServiceError> {
        let mut state = self.state();
        let gives_up = state.gives_up.clone().filter(|_| up);
        let Some(status) = state.gateways.get_mut(profile) else {
            return Err(ServiceError::NoSuchGateway { profile: profile.clone() });
        };
        if let Some(reason) = gives_up {
            *status = ServiceStatus { gave_up: Some(reason.clone()), ..down() };
            return Err(ServiceError::GaveUp { profile: profile.clone(), reason });
        }
        *status = if up {
            ServiceStatus { up, ready: true, desired_up: true, pid: Some(NO_PROCESS), ..down() }
        } else {
            down()
        };
        Ok(())
    }
}

fn down() -> ServiceStatus {
    ServiceStatus { since: Some(Duration::from_secs(5)), ..ServiceStatus::default() }
}

impl ServiceManager for FakeManager {
    fn kind(&self) -> Kind {
        Kind::Systemd
    }

    fn start(&self, profile: &ProfileName, _wait: Wait) -> Result<(), ServiceError> {
        self.order(profile, true)
    }

    fn stop(&self, profile: &ProfileName, _wait: Wait) -> Result<(), ServiceError> {
        self.order(profile, false)
    }

    fn restart(&self, profile: &ProfileName, _wait: Wait) -> Result<(), ServiceError> {
        self.order(profile, true)
    }

    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        Ok(self.state().gateways.get(profile).cloned())
    }

    fn supports_runtime_registration(&self) -> bool {
        true
    }

    fn register_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let mut state = self.state();
        if state.unregisterable.contains(profile) {
            return Err(ServiceError::NoSuchGateway { profile: profile.clone() });
        }
        state.gateways.entry(profile.clone()).or_insert_with(down);
        Ok(())
    }

    fn unregister_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        self.state().gateways.remove(profile);
        Ok(())
    }

    fn list_profile_gateways(&self) -> Result<Vec<ProfileName>, ServiceError> {
        Ok(self.state().gateways.keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_gateway_is_started_stopped_and_given_up() {
        let (manager, coder) = (FakeManager::default(), ProfileName::new("coder").unwrap());
        assert!(matches!(manager.start(&coder, Wait::No), Err(ServiceError::NoSuchGateway { .. })));
        manager.register_profile_gateway(&coder).unwrap();
        manager.start(&coder, Wait::No).unwrap();
        assert!(manager.is_running(&coder).unwrap());
        manager.stop(&coder, Wait::No).unwrap();
        assert!(!manager.is_running(&coder).unwrap());
        manager.give_up_starts("no room");
        assert!(matches!(manager.restart(&coder, Wait::No), Err(ServiceError::GaveUp { .. })));
    }
}
