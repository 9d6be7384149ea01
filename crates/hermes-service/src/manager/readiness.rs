//! Waits for the readiness of a gateway on a host. The service managers there get no notification, so the
//! gateway's state file decides.

use std::thread;
use std::time::{Duration, Instant};

use hermes_core::{Home, ObservedState, ProfileName, StateFile, StateRead};

use crate::error::ServiceError;
use crate::manager::Wait;

/// The time between two checks. Each check calls a program of the service manager.
const POLL: Duration = Duration::from_millis(100);

/// The result of one check.
#[derive(Debug)]
pub(crate) enum Check {
    /// The gateway has the awaited state.
    Done,
    /// The gateway may still reach the awaited state.
    NotYet,
    /// The gateway will not reach the awaited state, with the reason.
    Never(String),
}

/// A time limit and its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    began: Instant,
    pub(crate) limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { began: Instant::now(), limit }
    }

    /// Returns the remaining time; zero after the limit.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed())
    }

    /// Checks until the gateway has the awaited state.
    ///
    /// # Errors
    /// Fails if the gateway will not reach it, at the limit, or if a check fails.
    pub(crate) fn wait(
        &self,
        profile: &ProfileName,
        awaited: &'static str,
        mut check: impl FnMut() -> Result<Check, ServiceError>,
    ) -> Result<(), ServiceError> {
        loop {
            match check()? {
                Check::Done => return Ok(()),
                Check::Never(reason) => {
                    return Err(ServiceError::GaveUp { profile: profile.clone(), reason });
                }
                Check::NotYet if self.left().is_zero() => {
                    return Err(ServiceError::TimedOut {
                        profile: profile.clone(),
                        awaited,
                        limit: self.limit,
                    });
                }
                Check::NotYet => thread::sleep(POLL.min(self.left())),
            }
        }
    }
}

impl Wait {
    /// Returns the deadline of a wait that begins now, if it has a limit.
    pub(crate) fn deadline(self) -> Option<Deadline> {
        self.limit().map(Deadline::after)
    }
}

/// Returns `true` if the gateway with this PID has reported that it serves. A report of an earlier process
/// does not count.
pub(crate) fn reports_ready(home: &Home, profile: &ProfileName, pid: u32) -> bool {
    let StateRead::Read(state) = StateFile::of(home, profile).read() else { return false };
    state.pid() == Some(pid)
        && matches!(state.observed().known(), Some(ObservedState::Running | ObservedState::Degraded))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::it_serves(r#"{"gateway_state":"running","pid":17}"#, true)]
    #[case::a_part_is_missing(r#"{"gateway_state":"degraded","pid":17}"#, true)]
    #[case::it_begins(r#"{"gateway_state":"starting","pid":17}"#, false)]
    #[case::it_ends(r#"{"gateway_state":"draining","pid":17}"#, false)]
    #[case::another_process_said_so(r#"{"gateway_state":"running","pid":16}"#, false)]
    #[case::nobody_said_so(r#"{"gateway_state":"running"}"#, false)]
    #[case::no_json("running", false)]
    fn only_the_running_process_can_report_readiness(#[case] state: &str, #[case] ready: bool) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let profile = ProfileName::default_profile();
        assert!(!reports_ready(&home, &profile, 17), "there is no state file");
        fs::write(home.gateway_state(&profile), state).unwrap();
        assert_eq!(reports_ready(&home, &profile, 17), ready);
    }

    #[test]
    fn a_wait_checks_at_least_once_before_its_limit() {
        let profile = ProfileName::default_profile();
        let mut checks = 0;
        let error = Deadline::after(Duration::ZERO)
            .wait(&profile, "ready", || {
                checks += 1;
                Ok(Check::NotYet)
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "the gateway 'default' is not ready after 0s");
        assert_eq!(checks, 1);
    }
}
