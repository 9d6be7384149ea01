//! The lock that makes a second gateway of one profile impossible (`contract.md` §5).

use std::fs::{File, TryLockError};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::gateway::pid;
use hermes_core::{Home, ProfileName};
use hermes_os::lock_file;

use crate::error::GatewayError;

/// How long others may look at the lock at most, one after the other. Each does so for some microseconds.
const LOOKED_AT: Duration = Duration::from_secs(2);
/// Between two tries.
const LOOK: Duration = Duration::from_millis(1);

/// The profile's lock, held until it is dropped. The kernel drops it with the process, so a file left by a dead one is no obstacle.
#[derive(Debug)]
pub(crate) struct GatewayLock {
    _file: File,
}

impl GatewayLock {
    /// Takes the lock of `profile`. Waits for nobody but for who only looks whether it is held.
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
        let give_up = Instant::now() + LOOKED_AT;
        loop {
            match lock_file::try_lock(&path, &mut file) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up && is_only_looked_at(&file) => {
                    thread::sleep(LOOK);
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

/// Whether those who hold it share it: a gateway never does, who looks whether one holds it does for that moment.
fn is_only_looked_at(file: &File) -> bool {
    let is_shared = file.try_lock_shared().is_ok();
    if is_shared {
        // What cannot be given back goes with the process.
        let _ = file.unlock();
    }
    is_shared
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn who_looks_whether_a_gateway_runs_keeps_none_from_starting_and_a_gateway_does() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let profile = ProfileName::default_profile();
        drop(GatewayLock::take(&home, &profile).unwrap());
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let looks = File::open(home.gateway_lock(&profile)).unwrap();
                    let _ = looks.try_lock_shared();
                    // Not held all the time, but nearly.
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
        assert!(began.elapsed() < LOOKED_AT, "a gateway is not waited for");
    }
}
