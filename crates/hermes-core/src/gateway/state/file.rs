//! Reads and changes the state file.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hermes_os::file_kind;
use hermes_os::lock_file::LockFile;
use hermes_os::whole_file::{self, WriteError};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{DesiredState, GatewayState, Observation};
use crate::home::Home;
use crate::profile::name::ProfileName;

/// The longest state file that is read, in bytes. A usual one has about 300.
pub const STATE_FILE_MAX: usize = 1024 * 1024;

/// The size of the first read, in bytes. Most files are shorter.
const FIRST_READ: usize = 4096;

/// The longest time that a change waits for the lock. Each holder writes one small file.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// The result of a read.
#[derive(Debug)]
pub enum StateRead {
    /// There is no file.
    Missing,
    /// The file is a state file.
    Read(GatewayState),
    /// The file is something else.
    Unusable(Unusable),
}

/// The reason why a state file is unusable.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// The path is a directory, a FIFO, a symlink or another kind of file.
    #[error("it is a {0}, not a file")]
    NotAFile(&'static str),
    /// The file has no bytes.
    #[error("it is empty")]
    Empty,
    /// The file exceeds [`STATE_FILE_MAX`].
    #[error("it is longer than {STATE_FILE_MAX} bytes")]
    TooLarge,
    /// The bytes are not UTF-8, or not JSON, or nested too deeply.
    #[error("it is no JSON")]
    NotJson(#[source] serde_json::Error),
    /// The JSON value is no object.
    #[error("it holds {0} where an object belongs")]
    NotAnObject(&'static str),
}

impl Unusable {
    /// Returns `true` if the next change may replace the file: its bytes were read and hold no state. A file
    /// that cannot be read is never replaced.
    pub fn can_be_replaced(&self) -> bool {
        match self {
            Self::Empty | Self::TooLarge | Self::NotJson(_) | Self::NotAnObject(_) => true,
            Self::Unreadable(_) | Self::NotAFile(_) => false,
        }
    }
}

/// The reason why a state file was not changed. The file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The lock file beside it could not be locked.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The error of the system call; its kind is `TimedOut` if another process kept the lock until the deadline.
        source: io::Error,
    },
    /// The path cannot be changed and must not be replaced.
    #[error("failed to change {}", path.display())]
    Unusable {
        /// The state file.
        path: PathBuf,
        /// The reason.
        source: Unusable,
    },
    /// The new content could not be written.
    #[error("failed to change {}", path.display())]
    Write {
        /// The state file.
        path: PathBuf,
        /// The step that failed.
        source: WriteError,
    },
}

/// The state file of one profile.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// Returns the state file of `profile`.
    pub fn of(home: &Home, profile: &ProfileName) -> Self {
        Self::at(home.gateway_state(profile))
    }

    /// Returns the state file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the lock file beside it: `gateway_state.json.lock`.
    pub fn lock_path(&self) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(".lock");
        path.into()
    }

    /// Reads the file. Never fails, never blocks, and reads at most [`STATE_FILE_MAX`] bytes. A usual file
    /// costs three system calls: open, read and close.
    pub fn read(&self) -> StateRead {
        self.read_from(CWD)
    }

    /// Reads the file at a path relative to `directory`. A boot reads thousands of files in this way, since
    /// each step of an absolute path is slow on fuse-overlayfs.
    pub fn read_from(&self, directory: impl AsFd) -> StateRead {
        // NONBLOCK: without it, open(2) of a FIFO blocks until a writer comes.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = match rustix::fs::openat(directory, &self.path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return StateRead::Missing,
            Err(Errno::LOOP) => {
                return StateRead::Unusable(Unusable::NotAFile(file_kind::name(FileType::Symlink)));
            }
            Err(Errno::NXIO) => {
                return StateRead::Unusable(Unusable::NotAFile(file_kind::name(FileType::Socket)));
            }
            Err(error) => return StateRead::Unusable(Unusable::Unreadable(error.into())),
        };
        match read_bytes(file.as_fd()).and_then(|bytes| parse(&bytes)) {
            Ok(state) => StateRead::Read(state),
            Err(unusable) => StateRead::Unusable(unusable),
        }
    }

    /// Records the desired state. Does not write if the file has it already.
    ///
    /// # Errors
    /// Fails if the file cannot be changed. It is then unchanged.
    pub fn set_desired(&self, desired: DesiredState) -> Result<(), StateFileError> {
        self.change(|state| state.set_desired(desired))
    }

    /// Records the observed state at `now`. `observe` gets the desired state under the lock, so the two are
    /// consistent.
    ///
    /// # Errors
    /// Fails if the file cannot be changed. It is then unchanged.
    pub fn record(
        &self,
        now: SystemTime,
        observe: impl FnOnce(Option<DesiredState>) -> Observation,
    ) -> Result<(), StateFileError> {
        self.change(|state| {
            let observation = observe(state.desired().known());
            state.observe(observation, now);
        })
    }

    fn change(&self, change: impl FnOnce(&mut GatewayState)) -> Result<(), StateFileError> {
        let lock_path = self.lock_path();
        let _lock = LockFile::take(&lock_path, LOCK_DEADLINE)
            .map_err(|source| StateFileError::Lock { path: lock_path, source })?;
        let before = match self.read() {
            StateRead::Missing => None,
            StateRead::Read(state) => Some(state),
            StateRead::Unusable(unusable) if unusable.can_be_replaced() => None,
            StateRead::Unusable(source) => {
                return Err(StateFileError::Unusable { path: self.path.clone(), source });
            }
        };
        let mut after = before.clone().unwrap_or_default();
        change(&mut after);
        if before.as_ref() == Some(&after) {
            return Ok(());
        }
        let mut bytes = after.to_json();
        bytes.push(b'\n');
        whole_file::write(&self.path, &bytes, 0o600)
            .map_err(|source| StateFileError::Write { path: self.path.clone(), source })
    }
}

/// Reads the bytes of a regular file. A read at an offset fails on a FIFO, and on a directory with its own
/// error, so no further call is needed.
fn read_bytes(file: BorrowedFd<'_>) -> Result<Vec<u8>, Unusable> {
    let mut bytes = vec![0; FIRST_READ];
    let mut length = 0;
    loop {
        match rustix::io::pread(file, &mut bytes[length..], length as u64) {
            Ok(0) if length == 0 => return Err(why_empty(file)),
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => continue,
            Err(Errno::SPIPE) => return Err(why_empty(file)),
            Err(Errno::ISDIR) => return Err(Unusable::NotAFile(file_kind::name(FileType::Directory))),
            Err(error) => return Err(Unusable::Unreadable(error.into())),
        }
        // A short read is the end of a regular file.
        if length < bytes.len() {
            break;
        }
        if length > STATE_FILE_MAX {
            return Err(Unusable::TooLarge);
        }
        bytes.resize((length * 4).min(STATE_FILE_MAX + 1), 0);
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn why_empty(file: BorrowedFd<'_>) -> Unusable {
    match rustix::fs::fstat(file).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::RegularFile) => Unusable::Empty,
        Ok(kind) => Unusable::NotAFile(file_kind::name(kind)),
        Err(error) => Unusable::Unreadable(error.into()),
    }
}

fn parse(bytes: &[u8]) -> Result<GatewayState, Unusable> {
    let value = serde_json::from_slice(bytes).map_err(Unusable::NotJson)?;
    GatewayState::from_json(value).map_err(Unusable::NotAnObject)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
