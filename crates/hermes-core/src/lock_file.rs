//! An advisory lock on a file beside the one that is to be changed. It ends with the process that holds it, so a dead one is no
//! obstacle.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::whole_file;

/// Between two looks at a lock that another process holds. Holders write one small file.
const POLL: Duration = Duration::from_millis(1);

/// Opens the lock file at `path`, which is made if it is missing. A symlink is refused, and nothing that lies there can make it
/// wait; whether it is a file is not asked.
///
/// # Errors
/// What the kernel said.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC
        | OFlags::NOCTTY;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let directory = whole_file::open_directory_of(path)?;
    Ok(rustix::fs::openat(&directory, name, flags, Mode::from_raw_mode(0o600))?.into())
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

impl LockFile {
    /// Takes the lock at `path`, which is made if it is missing; the file stays. A symlink there is refused.
    ///
    /// # Errors
    /// The file cannot be opened; or, of the kind `TimedOut`, another process held it until the deadline.
    pub fn take(path: &Path, deadline: Duration) -> io::Result<Self> {
        let file = open(path)?;
        let give_up = Instant::now() + deadline;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::TimedOut.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}
