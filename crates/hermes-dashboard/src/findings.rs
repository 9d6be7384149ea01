//! The number of findings of the doctor, for the navigation of each page. A check may take a second, so no page waits for one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The age at which a page begins another check.
const MAX_AGE: Duration = Duration::from_secs(20);

/// The result of the last check.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    count: Option<usize>,
    /// The time of the last check, or of the begin of the one that runs.
    at: Option<Instant>,
}

impl Findings {
    /// Returns the number of findings, if a check has run.
    pub(crate) fn count(&self) -> Option<usize> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// Keeps the result of a check.
    pub(crate) fn keep(&self, count: usize) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Last { count: Some(count), at: Some(Instant::now()) };
    }

    /// Returns `true` if the last check is old. The caller then begins another one, and nobody else does.
    pub(crate) fn must_renew(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = last.at.is_none_or(|at| at.elapsed() >= MAX_AGE);
        if is_old {
            last.at = Some(Instant::now());
        }
        is_old
    }
}
