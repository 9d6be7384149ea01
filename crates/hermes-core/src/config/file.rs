//! The file: read as a whole, changed as a whole.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::yaml::{Config, SetError, SyntaxError};

use hermes_os::lock_file::LockFile;
use hermes_os::whole_file::{self, ReadError, WriteError};

/// The longest file that is taken for a configuration, in bytes.
pub const CONFIG_FILE_MAX: u64 = 1024 * 1024;

/// Who may read a configuration that is new: it may hold what is not for others.
pub(super) const MODE: u32 = 0o600;

/// How long a change waits for another.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// Why a configuration was not read, or not changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// It is there and cannot be read.
    #[error("read the configuration")]
    Read(#[source] ReadError),
    /// It is no YAML.
    #[error("parse {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong there.
        source: SyntaxError,
    },
    /// The lock beside it.
    #[error("lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the kernel said; of the kind `TimedOut` when another process held it all the time.
        source: io::Error,
    },
    /// The change itself.
    #[error("change {}", path.display())]
    Set {
        /// The file.
        path: PathBuf,
        /// Why it cannot be made.
        source: SetError,
    },
    /// The new contents.
    #[error("change {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        source: WriteError,
    },
}

/// The configuration at `path`; nothing where there is no file.
///
/// # Errors
/// The file is there and cannot be read, or is no YAML.
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

/// The lock that whoever changes the configuration at `path` holds.
pub(super) fn lock(path: &Path) -> Result<LockFile, ConfigFileError> {
    let mut lock_path = OsString::from(path);
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    LockFile::take(&lock_path, LOCK_DEADLINE)
        .map_err(|source| ConfigFileError::Lock { path: lock_path, source })
}

/// The permission bits of the configuration at `path`, to write it back with; those of a new one where there is none.
pub(super) fn mode(path: &Path) -> Result<u32, ConfigFileError> {
    let open_error = |source| ConfigFileError::Read(ReadError::Open { path: path.to_owned(), source });
    Ok(whole_file::mode_of(path).map_err(open_error)?.unwrap_or(MODE))
}

/// Changes the configuration at `path`, which is made if it is missing: then it begins with the current version, and no boot
/// migrates it. Two changes at once do not lose each other. The mode of the file is kept.
///
/// # Errors
/// The file cannot be read, is no YAML, cannot be changed in that way or cannot be written. It is as it was.
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
