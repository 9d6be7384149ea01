//! One order for the gateways of all profiles.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::ProfileName;
use hermes_service::Wait;

use super::verb::Verb;
use crate::operations::Operations;
use crate::report::Report;

/// The number of gateways that are driven at one time.
const AT_ONCE: usize = 8;

/// The result of an order for all gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DroveAll {
    /// The number of gateways.
    pub count: usize,
    /// The number of those that failed.
    pub failed: usize,
}

impl Operations {
    /// Gives the order to the gateways of all profiles, several at a time. Calls `done` after each, one call at a time, with the time
    /// that it took.
    ///
    /// # Errors
    /// The profiles cannot be listed. The failure of one gateway is no error here.
    pub fn drive_all(
        &self,
        verb: Verb,
        wait: Wait,
        done: impl Fn(&ProfileName, Duration, Result<(), Report>) + Sync,
    ) -> Result<DroveAll, Report> {
        let profiles = self.home().profiles()?.names;
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(0_usize));
        thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(profiles.len()) {
                scope.spawn(|| {
                    while let Some(profile) = profiles.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let began = Instant::now();
                        let result = self.drive(profile, verb, wait);
                        // Held during the call: the lines of two failures stay apart.
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        *failed += usize::from(result.is_err());
                        done(profile, began.elapsed(), result);
                    }
                });
            }
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(DroveAll { count: profiles.len(), failed })
    }
}
