//! Tests that find out that they cannot run here: reported as ignored, with the reason; never as passed.

use std::error::Error as StdError;

use crate::error::Error;

/// Why a test was not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotRun {
    /// The missing thing: "there is no docker-compose".
    pub reason: String,
}

/// The error with which a test says that something it needs is not here. The runner reports it as ignored.
///
/// For what lies outside of image and harness alone: a program, a state of the engine. Whatever the test made until
/// then is removed as ever.
pub fn not_run(reason: impl Into<String>) -> Error {
    Error::NotRun(NotRun { reason: reason.into() })
}

/// The reason, if that is what an error says, wrapped in whatever.
pub(super) fn reason_in(error: &(dyn StdError + 'static)) -> Option<String> {
    // A test's error has gone through `anyhow`, which leaves no way to the type but by the sources.
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.filter_map(|cause| cause.downcast_ref::<NotRun>()).map(|not_run| not_run.reason.clone()).next()
}

/// Returns whether nextest runs this test. It has a process for each test, and no result for one that cannot run:
/// an end without a failure would count as passed.
pub(super) fn is_lost_on_the_runner() -> bool {
    std::env::var_os("NEXTEST").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BoxError;

    #[test]
    fn the_reason_is_found_behind_anyhow_and_its_contexts() {
        let plain: BoxError = not_run("no swarm").into();
        let through: BoxError = anyhow::Error::from(not_run("no swarm")).into();
        let context: BoxError = anyhow::Error::from(not_run("no swarm")).context("while starting").into();
        for error in [plain, through, context] {
            assert_eq!(reason_in(&*error).as_deref(), Some("no swarm"), "{error:?}");
        }
    }

    #[test]
    fn a_failure_that_speaks_of_it_is_a_failure() {
        let error: BoxError = anyhow::anyhow!("not run: no swarm").into();
        assert_eq!(reason_in(&*error), None);
    }
}
