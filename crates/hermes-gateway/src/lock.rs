//! The lock that makes a second gateway of one profile impossible (`contract.md` §5).

use std::fs::{File, TryLockError};
use std::io;

use hermes_core::{Home, ProfileName, whole_file};
use rustix::fs::{FileType, Mode, OFlags};

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
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC
            | OFlags::NOCTTY;
        let descriptor = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600))
            .map_err(|error| lock_error(error.into()))?;
        let stat = rustix::fs::fstat(&descriptor).map_err(|error| lock_error(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(GatewayError::LockIsNoFile { path });
        }
        let file = File::from(descriptor);
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(GatewayError::AlreadyRuns { profile: profile.clone(), pid: recorded_pid(home, profile) })
            }
            Err(TryLockError::Error(error)) => Err(lock_error(error)),
        }
    }
}

/// What `gateway.pid` says, for the message.
fn recorded_pid(home: &Home, profile: &ProfileName) -> Option<u32> {
    let bytes = whole_file::read(&home.gateway_pid(profile), PID_FILE_MAX).ok()??;
    str::from_utf8(&bytes).ok()?.trim().parse().ok()
}
