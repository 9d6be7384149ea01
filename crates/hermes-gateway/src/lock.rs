//! The lock that makes a second gateway of one profile impossible (`contract.md` §5).

use std::fs::{File, TryLockError};
use std::io;

use hermes_core::{Home, ProfileName, lock_file, whole_file};

use crate::error::GatewayError;

/// The longest PID file that is looked into, in bytes.
const PID_FILE_MAX: u64 = 64;

/// The profile's lock, held until it is dropped. The kernel drops it with the process, so a file left by a dead one is no obstacle.
#[derive(Debug)]
pub(crate) struct GatewayLock {
    _file: File,
}

impl GatewayLock {
    /// Takes the lock of `profile` without waiting.
    ///
    /// # Errors
    /// Another process holds it, or the lock file cannot be opened; a symlink is refused.
    pub(crate) fn take(home: &Home, profile: &ProfileName) -> Result<Self, GatewayError> {
        let path = home.gateway_lock(profile);
        let lock_error = |source: io::Error| GatewayError::Lock { path: path.clone(), source };
        let file = lock_file::open(&path).map_err(lock_error)?;
        if !file.metadata().map_err(lock_error)?.is_file() {
            return Err(GatewayError::LockIsNoFile { path });
        }
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(GatewayError::AlreadyRuns { profile: profile.clone(), pid: recorded_pid(home, profile) })
            }
            Err(TryLockError::Error(error)) => Err(lock_error(error)),
        }
    }
}

/// What `gateway.pid` says, for a message: the lock alone tells whether such a process runs.
pub fn recorded_pid(home: &Home, profile: &ProfileName) -> Option<u32> {
    let bytes = whole_file::read(&home.gateway_pid(profile), PID_FILE_MAX).ok()??;
    str::from_utf8(&bytes).ok()?.trim().parse().ok()
}
