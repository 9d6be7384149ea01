//! When a gateway is ready on a host: no service manager there is told, so the gateway's own state file tells.

use std::thread;
use std::time::{Duration, Instant};

use hermes_core::{Home, ObservedState, ProfileName, StateFile, StateRead};

use crate::error::ServiceError;
use crate::manager::Wait;

/// Between two looks. Each costs a call of the service manager's program.
const POLL: Duration = Duration::from_millis(100);

/// What a look at a gateway found.
#[derive(Debug)]
pub(crate) enum Look {
    /// It is as it should be.
    Done,
    /// It may still become so.
    NotYet,
    /// It will not become so by itself.
    Never(String),
}

/// A limit, and when it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    began: Instant,
    pub(crate) limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { began: Instant::now(), limit }
    }

    /// How much of it is left; nothing when it is over.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed())
    }

    /// Looks until the gateway is as it should be.
    ///
    /// # Errors
    /// It will not become so, did not in time, or a look failed.
    pub(crate) fn wait(
        &self,
        profile: &ProfileName,
        awaited: &'static str,
        mut look: impl FnMut() -> Result<Look, ServiceError>,
    ) -> Result<(), ServiceError> {
        loop {
            match look()? {
                Look::Done => return Ok(()),
                Look::Never(reason) => {
                    return Err(ServiceError::GaveUp { profile: profile.clone(), reason });
                }
                Look::NotYet if self.left().is_zero() => {
                    return Err(ServiceError::TimedOut {
                        profile: profile.clone(),
                        awaited,
                        limit: self.limit,
                    });
                }
                Look::NotYet => thread::sleep(POLL.min(self.left())),
            }
        }
    }
}

impl Wait {
    /// When the wait ends, if there is one, from now on.
    pub(crate) fn deadline(self) -> Option<Deadline> {
        self.limit().map(Deadline::after)
    }
}

/// Whether the gateway that runs as `pid` has said that it serves. What an earlier process said does not count.
pub(crate) fn says_ready(home: &Home, profile: &ProfileName, pid: u32) -> bool {
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
    fn only_the_running_process_can_say_that_it_is_ready(#[case] state: &str, #[case] ready: bool) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let profile = ProfileName::default_profile();
        assert!(!says_ready(&home, &profile, 17), "there is no state file");
        fs::write(home.gateway_state(&profile), state).unwrap();
        assert_eq!(says_ready(&home, &profile, 17), ready);
    }

    #[test]
    fn a_wait_looks_at_least_once_and_ends_at_its_limit() {
        let profile = ProfileName::default_profile();
        let mut looks = 0;
        let error = Deadline::after(Duration::ZERO)
            .wait(&profile, "ready", || {
                looks += 1;
                Ok(Look::NotYet)
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "the gateway 'default' is not ready after 0s");
        assert_eq!(looks, 1);
    }
}
