//! The number of findings of the doctor, for the navigation of each page. A check may take a second, so no page waits for one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::api::doctor;
use crate::site::Site;

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

    /// Begins a check in the background, if the last one is old.
    pub(crate) fn renew(&self, site: &Arc<Site>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| at.elapsed() < MAX_AGE) {
            return;
        }
        last.at = Some(Instant::now());
        let site = Arc::clone(site);
        // A failed check leaves the number of the one before.
        tokio::spawn(async move { drop(doctor::findings(&site).await) });
    }
}
