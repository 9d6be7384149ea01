//! The lock that prevents a second gateway of a profile.

use std::fs::{File, TryLockError};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::gateway::pid;
use hermes_core::{Home, ProfileName};
use hermes_os::lock_file;

use crate::error::GatewayError;

/// The longest wait for processes that test the lock. Each test takes some microseconds.
const TEST_WAIT: Duration = Duration::from_secs(2);
/// The interval between two tries.
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// The profile's lock, held until it is dropped. The kernel releases it with the process, so the file of a dead gateway does not
/// block a new one.
#[derive(Debug)]
pub(crate) struct GatewayLock {
    _file: File,
}

impl GatewayLock {
    /// Takes the lock of `profile`. Waits for processes that only test the lock, and for no gateway.
    ///
    /// # Errors
    /// Another process holds it, or the lock file cannot be opened; a symlink is refused.
    pub(crate) fn take(home: &Home, profile: &ProfileName) -> Result<Self, GatewayError> {
        let path = home.gateway_lock(profile);
        let lock_error = |source: io::Error| GatewayError::Lock { path: path.clone(), source };
        let mut file = lock_file::open(&path).map_err(lock_error)?;
        if !file.metadata().map_err(lock_error)?.is_file() {
            return Err(GatewayError::LockIsNoFile { path });
        }
        let give_up = Instant::now() + TEST_WAIT;
        loop {
            match lock_file::try_lock(&path, &mut file) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up && is_held_shared(&file) => {
                    thread::sleep(RETRY_INTERVAL);
                }
                Err(TryLockError::WouldBlock) => {
                    let pid = pid::recorded(home, profile);
                    return Err(GatewayError::AlreadyRuns { profile: profile.clone(), pid });
                }
                Err(TryLockError::Error(error)) => return Err(lock_error(error)),
            }
        }
    }
}

/// Tells whether the holders share the lock. A test of the lock takes it shared, a gateway takes it exclusively.
fn is_held_shared(file: &File) -> bool {
    let is_shared = file.try_lock_shared().is_ok();
    if is_shared {
        // The kernel releases the lock with the process if this fails.
        let _ = file.unlock();
    }
    is_shared
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn only_a_gateway_blocks_another_gateway() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let profile = ProfileName::default_profile();
        drop(GatewayLock::take(&home, &profile).unwrap());
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let test = File::open(home.gateway_lock(&profile)).unwrap();
                    let _ = test.try_lock_shared();
                    // The lock is held nearly all the time.
                    thread::yield_now();
                }
            });
            let refused = (0..200).find_map(|_| GatewayLock::take(&home, &profile).err());
            done.store(true, Ordering::Relaxed);
            assert!(refused.is_none(), "{refused:?}");
        });
        let _runs = GatewayLock::take(&home, &profile).unwrap();
        let began = Instant::now();
        let error = GatewayLock::take(&home, &profile).unwrap_err();
        assert!(matches!(error, GatewayError::AlreadyRuns { .. }), "{error:?}");
        assert!(began.elapsed() < TEST_WAIT, "it does not wait for a gateway");
    }
}
