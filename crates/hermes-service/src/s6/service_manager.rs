//! The operations of the service manager trait on the slots of s6.

use hermes_core::{ProfileName, StateFile, action_at_boot};

use super::backend::{Awaited, MARGIN, S6};
use super::crashes::Crashes;
use super::scandir;
use crate::error::{ServiceError, Task};
use crate::kind::Kind;
use crate::manager::{ServiceManager, ServiceStatus, Wait};

impl ServiceManager for S6 {
    fn kind(&self) -> Kind {
        Kind::S6
    }

    fn start(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let task = Task::new("start", profile);
        self.wait_until_registered(profile)?;
        match self.state(profile)? {
            // The process was told to end. The start means the next one.
            Some(state) if state.up && !state.desired_up => {
                return self.order_another(task, &["-U"], state.pid, wait);
            }
            Some(state) if state.ready => {}
            _ => {
                // The gateway crashed, and is waiting, starting or being given up. A start by the operator
                // discards its crashes. It goes down first, so that its `finish` does not record another one.
                if self.crashes(profile).has_failed() {
                    match (self.take_down(profile, Wait::AtMost(wait.limit().unwrap_or(MARGIN))), wait) {
                        (Err(ServiceError::TimedOut { .. }), Wait::No) => {}
                        (down, _) => down?,
                    }
                }
                self.forget_crashes(task)?;
            }
        }
        self.order(task, &["-U"], Awaited::Ready, wait)
    }

    fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        self.wait_until_registered(profile)?;
        self.take_down(profile, wait)?;
        // A stopped gateway has the desired state. Former crashes do not matter.
        self.forget_crashes(Task::new("stop", profile))
    }

    fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        self.wait_until_registered(profile)?;
        let Some(state) = self.state(profile)?.filter(|state| state.up) else {
            return self.start(profile, wait);
        };
        let task = Task::new("restart", profile);
        self.forget_crashes(task)?;
        self.order_another(task, &["-r", "-U"], state.pid, wait)
    }

    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        let Some(state) = self.state(profile)? else { return Ok(None) };
        let crashes = self.crashes(profile);
        Ok(Some(ServiceStatus {
            up: state.up,
            ready: state.ready,
            desired_up: state.desired_up,
            pid: state.pid,
            since: Some(state.since),
            restarts: crashes.restarts,
            restarted_ago: crashes.restarted_ago(Crashes::now()),
            comes_back: crashes.comes_back(&state),
            gave_up: crashes.gave_up,
            last_words: crashes.last_words,
        }))
    }

    fn supports_runtime_registration(&self) -> bool {
        true
    }

    fn register_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let action = action_at_boot(&StateFile::of(self.home(), profile).read());
        self.register(profile, action)
    }

    fn unregister_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        self.unregister(profile)
    }

    fn list_profile_gateways(&self) -> Result<Vec<ProfileName>, ServiceError> {
        let slots = scandir::slots(self.scandir())
            .map_err(|source| ServiceError::List { path: self.scandir().to_owned(), source })?;
        Ok(slots.iter().filter_map(|slot| ProfileName::from_gateway_slot_name(&slot.name)).collect())
    }
}
