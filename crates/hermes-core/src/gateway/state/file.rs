//! The file itself: read whatever lies there, changed under its lock.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{DesiredState, GatewayState, Observation};
use crate::home::Home;
use crate::profile::name::ProfileName;
use hermes_os::file_kind;
use hermes_os::lock_file::LockFile;
use hermes_os::whole_file::{self, WriteError};

/// The longest file that is taken for a state file, in bytes. One is about 300 long.
pub const STATE_FILE_MAX: usize = 1024 * 1024;

/// What one read takes; nearly every file is shorter.
const FIRST_READ: usize = 4096;

/// How long a change waits for another. Each writes one small file.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// What lies where a state file should.
#[derive(Debug)]
pub enum StateRead {
    /// Nothing.
    Missing,
    /// A state file.
    Read(GatewayState),
    /// Something else.
    Unusable(Unusable),
}

/// What makes a state file unusable.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It may not be read, or the disk cannot.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// A directory, a FIFO, a symlink, …
    #[error("it is a {0}, not a file")]
    NotAFile(&'static str),
    /// There are no bytes in it.
    #[error("it is empty")]
    Empty,
    /// There are too many bytes in it.
    #[error("it is longer than {STATE_FILE_MAX} bytes")]
    TooLarge,
    /// The bytes are not UTF-8, or not JSON, or nested too deeply.
    #[error("it is no JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON of another kind.
    #[error("it holds {0} where an object belongs")]
    NotAnObject(&'static str),
}

impl Unusable {
    /// Whether the next change may write the file anew. It may where the bytes were read and tell nothing; what could not be
    /// read is never taken for empty.
    pub fn can_be_replaced(&self) -> bool {
        match self {
            Self::Empty | Self::TooLarge | Self::NotJson(_) | Self::NotAnObject(_) => true,
            Self::Unreadable(_) | Self::NotAFile(_) => false,
        }
    }
}

/// Why a state file was not changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The lock beside it.
    #[error("lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the kernel said; of the kind `TimedOut` when another process held it all the time.
        source: io::Error,
    },
    /// What lies there cannot be changed and must not be replaced.
    #[error("change {}", path.display())]
    Unusable {
        /// The state file.
        path: PathBuf,
        /// What it is.
        source: Unusable,
    },
    /// The new contents.
    #[error("change {}", path.display())]
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
    /// The one of `profile`.
    pub fn of(home: &Home, profile: &ProfileName) -> Self {
        Self::at(home.gateway_state(profile))
    }

    /// The one at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file beside it whose lock a change holds: `gateway_state.json.lock`.
    pub fn lock_path(&self) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(".lock");
        path.into()
    }

    /// What lies there, whatever it is: this never fails, never waits, and reads no more than [`STATE_FILE_MAX`]. A state file
    /// costs an open, a read and a close.
    pub fn read(&self) -> StateRead {
        self.read_from(CWD)
    }

    /// The same, with a path that is relative to `directory`: where each step of a path costs (the root of a container, on
    /// fuse-overlayfs), thousands of them are read so.
    pub fn read_from(&self, directory: impl AsFd) -> StateRead {
        // NONBLOCK: the open of a FIFO that nobody writes would not return.
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

    /// Records what the operator wants. A file that says so already is left alone.
    ///
    /// # Errors
    /// The file cannot be changed; it is as it was.
    pub fn set_desired(&self, desired: DesiredState) -> Result<(), StateFileError> {
        self.change(|state| state.set_desired(desired))
    }

    /// Records what a gateway says of itself at `now`. `observe` is told what the operator wants at that moment, with no change
    /// of it between the question and the answer.
    ///
    /// # Errors
    /// The file cannot be changed; it is as it was.
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

/// The bytes of a regular file. Reading at an offset tells it from a FIFO, and a directory says what it is, without another call.
fn read_bytes(file: BorrowedFd<'_>) -> Result<Vec<u8>, Unusable> {
    let mut bytes = vec![0; FIRST_READ];
    let mut length = 0;
    loop {
        match rustix::io::pread(file, &mut bytes[length..], length as u64) {
            Ok(0) if length == 0 => return Err(kind_of_nothing(file)),
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => continue,
            Err(Errno::SPIPE) => return Err(kind_of_nothing(file)),
            Err(Errno::ISDIR) => return Err(Unusable::NotAFile(file_kind::name(FileType::Directory))),
            Err(error) => return Err(Unusable::Unreadable(error.into())),
        }
        // A read that gives less than was asked for has come to the end of a regular file.
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

fn kind_of_nothing(file: BorrowedFd<'_>) -> Unusable {
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
