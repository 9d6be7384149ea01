//! `start`.

use std::time::Duration;

use hermes_core::gateway::log as gateway_log;
use hermes_core::{DesiredState, GatewayState, ObservedState, ProfileName, StateFile, StateRead};
use hermes_os::waiting;
use hermes_service::{ServiceError, ServiceManager, Wait};

use crate::foreground;
use crate::operations::Operations;
use crate::report::Report;

/// The number of lines of the log that a failure shows.
const LOG_LINES: usize = 5;

/// The time that the logger has for the lines that it was given. It writes within milliseconds, unless the machine is busy.
const LOGGED: Duration = Duration::from_secs(2);

impl Operations {
    /// Writes the desired state, then starts the gateway.
    ///
    /// # Errors
    /// Nobody can start it from here, or it is not ready in time. The report has the last lines of its log.
    pub fn start(&self, profile: &ProfileName, wait: Wait) -> Result<(), Report> {
        self.start_by(profile, |manager| manager.start(profile, wait))
    }

    /// Starts the gateway by `start`. A profile that is not registered, since its directory was copied here, is registered.
    pub(super) fn start_by(
        &self,
        profile: &ProfileName,
        start: impl Fn(&dyn ServiceManager) -> Result<(), ServiceError>,
    ) -> Result<(), Report> {
        let (home, manager) = (self.home(), self.manager());
        self.must_drive_from_here()?;
        foreground::must_not_run(home, manager, profile)?;
        StateFile::of(home, profile).set_desired(DesiredState::Running)?;
        let log_before = gateway_log::end(home, profile);
        let record_before = self.last_record(profile);
        let result = match start(manager) {
            Err(ServiceError::NoSuchGateway { .. }) if manager.supports_runtime_registration() => {
                manager.register_profile_gateway(profile)?;
                start(manager)
            }
            other => other,
        };
        result.map_err(|error| {
            if matches!(error, ServiceError::GaveUp { .. }) {
                self.wait_for_last_words(profile, log_before);
            } else if !matches!(error, ServiceError::TimedOut { .. }) {
                return error.into();
            }
            let report = Report::from(error);
            // The gateway's own record: the log may not have the reason yet.
            let report = match self.startup_failure(profile, &record_before) {
                Some(reason) => report.cause(reason),
                None => report,
            };
            report.log(gateway_log::last_lines(home, profile, LOG_LINES))
        })
    }

    /// Returns the record that the gateway has written of itself so far.
    fn last_record(&self, profile: &ProfileName) -> Option<Record> {
        match StateFile::of(self.home(), profile).read() {
            StateRead::Read(state) => Some(record_of(&state)),
            StateRead::Missing | StateRead::Unusable(_) => None,
        }
    }

    /// Returns the reason why the gateway could not start, from its own record. The record of `before` this start is not the reason.
    fn startup_failure(&self, profile: &ProfileName, before: &Option<Record>) -> Option<String> {
        let StateRead::Read(state) = StateFile::of(self.home(), profile).read() else { return None };
        let failed = state.observed().known() == Some(ObservedState::StartupFailed);
        let is_new = before.as_ref() != Some(&record_of(&state));
        state.exit_reason().filter(|_| failed && is_new).map(str::to_owned)
    }

    /// Waits until the log has the line with which the service manager gave the gateway up. The logger may be slower than the service
    /// manager. Returns at once if the service manager writes no such line.
    fn wait_for_last_words(&self, profile: &ProfileName, log_before: Option<gateway_log::End>) {
        let status = self.manager().status(profile).ok().flatten();
        let Some(last_words) = status.and_then(|status| status.last_words) else { return };
        waiting::until(LOGGED, Duration::from_millis(2), || {
            gateway_log::end(self.home(), profile) != log_before
                && gateway_log::last_lines(self.home(), profile, 1)
                    .iter()
                    .any(|line| line.contains(&last_words))
        });
    }
}

/// The marks that tell one record of a gateway from another: its process, and the time.
type Record = (Option<u32>, Option<u64>, Option<String>);

fn record_of(state: &GatewayState) -> Record {
    (state.pid(), state.start_time(), state.updated_at().map(str::to_owned))
}
