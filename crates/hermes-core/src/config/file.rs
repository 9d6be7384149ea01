//! Reads `config.yaml` as a whole and writes it as a whole.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hermes_os::lock_file::LockFile;
use hermes_os::whole_file::{self, ReadError, WriteError};

use super::yaml::{Config, SetError, SyntaxError};

/// The longest configuration that is read, in bytes.
pub const CONFIG_FILE_MAX: u64 = 1024 * 1024;

/// The permission bits of a new configuration. It may hold secrets.
pub(super) const MODE: u32 = 0o600;

/// The longest time that a change waits for the lock.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// The reason why a configuration was not read or not changed. The file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The file exists and cannot be read.
    #[error("failed to read the configuration")]
    Read(#[source] ReadError),
    /// The file is not valid YAML.
    #[error("failed to parse {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The place and the description of the fault.
        source: SyntaxError,
    },
    /// The lock file beside it could not be locked.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The error of the system call; its kind is `TimedOut` if another process kept the lock until the deadline.
        source: io::Error,
    },
    /// The value could not be set.
    #[error("failed to change {}", path.display())]
    Set {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: SetError,
    },
    /// The new content could not be written.
    #[error("failed to change {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        source: WriteError,
    },
}

/// Reads the configuration at `path`. Returns `None` if there is no file.
///
/// # Errors
/// Fails if the file exists and cannot be read, or is not valid YAML.
pub fn load(path: &Path) -> Result<Option<Config>, ConfigFileError> {
    read(path)?.map(|bytes| parse(path, bytes)).transpose()
}

pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, ConfigFileError> {
    whole_file::read(path, CONFIG_FILE_MAX).map_err(ConfigFileError::Read)
}

pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Config, ConfigFileError> {
    let parsed = match String::from_utf8(bytes) {
        Ok(text) => Config::parse(text),
        Err(error) => Err(not_utf8(error.as_bytes(), error.utf8_error().valid_up_to())),
    };
    parsed.map_err(|source| ConfigFileError::Parse { path: path.to_owned(), source })
}

/// Takes the lock for changes of the configuration at `path`.
pub(super) fn lock(path: &Path) -> Result<LockFile, ConfigFileError> {
    let mut lock_path = OsString::from(path);
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    LockFile::take(&lock_path, LOCK_DEADLINE)
        .map_err(|source| ConfigFileError::Lock { path: lock_path, source })
}

/// Returns the permission bits of the configuration at `path`, so that they can be kept; those of a new file
/// if there is none.
pub(super) fn mode(path: &Path) -> Result<u32, ConfigFileError> {
    let open_error = |source| ConfigFileError::Read(ReadError::Open { path: path.to_owned(), source });
    Ok(whole_file::mode_of(path).map_err(open_error)?.unwrap_or(MODE))
}

/// Changes the configuration at `path` under its lock and keeps its permission bits. A missing file is
/// created with the current version, so that no boot migrates it.
///
/// # Errors
/// Fails if the file cannot be read, is not valid YAML, cannot be changed in that way or cannot be written.
/// The file is then unchanged.
pub fn change(
    path: &Path,
    change: impl FnOnce(&mut Config) -> Result<(), SetError>,
) -> Result<(), ConfigFileError> {
    let _lock = lock(path)?;
    let before = load(path)?;
    let mut after = before.clone().unwrap_or_else(Config::of_current_version);
    change(&mut after).map_err(|source| ConfigFileError::Set { path: path.to_owned(), source })?;
    if before.is_some_and(|before| before.text() == after.text()) {
        return Ok(());
    }
    whole_file::write(path, after.text().as_bytes(), mode(path)?)
        .map_err(|source| ConfigFileError::Write { path: path.to_owned(), source })
}

fn not_utf8(bytes: &[u8], valid_up_to: usize) -> SyntaxError {
    let before = String::from_utf8_lossy(&bytes[..valid_up_to]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    SyntaxError { line, column, what: "this is not UTF-8".into() }
}
