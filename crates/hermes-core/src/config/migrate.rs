//! Bringing a configuration to the current version, step by step. A step adds or sets; what it does not know stays where it is.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::file::{self, ConfigFileError};
use super::version::{Version, VersionError, is_surely_current};
use super::yaml::{Config, SetError};
use crate::timestamp;
use hermes_os::whole_file::{self, WriteError};

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Migration {
    /// There is no configuration, and none was made.
    NoFile,
    /// Nothing was to be done.
    Current,
    /// A later program wrote it. It was left alone.
    Newer {
        /// Its version.
        found: u64,
    },
    /// It was brought to the current version.
    Migrated {
        /// The version it had; 0 where it named none.
        from: u64,
        /// The version it has.
        to: u64,
        /// What it was before, byte by byte: `config.yaml.2026-11-24T130500.373699Z.bak`, of the mode 0600.
        backup: PathBuf,
    },
}

/// Why a configuration was not migrated. It is as it was, and no backup of it is left.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It cannot be read, is no YAML, or cannot be locked.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// What it says of its version is none.
    #[error("read the version of {}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What stands there.
        source: VersionError,
    },
    /// A step, which has no place in it: it is no mapping, for instance.
    #[error("migrate {}", path.display())]
    Step {
        /// The file.
        path: PathBuf,
        /// Why it cannot be made.
        source: SetError,
    },
    /// Its mode says that nobody is to write it, so nobody does, though the directory would let us.
    #[error("migrate {}: it is read-only (mode {mode:04o}); to allow it: chmod u+w", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The backup.
    #[error("back up {}", path.display())]
    Backup {
        /// The file that was to be backed up.
        path: PathBuf,
        /// The step that failed, with the backup's path.
        source: WriteError,
    },
    /// The new contents.
    #[error("migrate {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        source: WriteError,
    },
}

/// From one version to a later one.
pub(super) struct Step {
    pub(super) from: u64,
    pub(super) to: u64,
    /// Adds or sets what the later version has; the version itself is written by who calls it.
    pub(super) apply: fn(&mut Config) -> Result<(), SetError>,
}

/// All of them. A new version has one more here.
pub(super) const STEPS: &[Step] = &[
    // What the Python program wrote names no version. Nothing that it wrote has another name here.
    Step { from: 0, to: 1, apply: |_| Ok(()) },
];

/// Migrates the configuration at `path`, with a backup beside it. A file that is current is not locked, not parsed when its lines
/// tell that, and may lie where nothing can be written.
///
/// Whoever calls this must be the account that owns the file: it names the file by its path, and the new one belongs to the caller.
/// Root must not, on a volume that another account can write.
///
/// # Errors
/// The file cannot be read, is broken or no mapping, cannot be locked, backed up or written. It is as it was.
pub fn migrate(path: &Path) -> Result<Migration, MigrateError> {
    migrate_by(STEPS, path, SystemTime::now())
}

/// What there is to do about a file.
enum Found {
    Older(Config, u64),
    Settled(Migration),
}

pub(super) fn migrate_by(steps: &[Step], path: &Path, now: SystemTime) -> Result<Migration, MigrateError> {
    if let Found::Settled(migration) = look(path)? {
        return Ok(migration);
    }
    let _lock = file::lock(path)?;
    // Somebody else may have had the lock, and changed it.
    let (before, from) = match look(path)? {
        Found::Older(config, version) => (config, version),
        Found::Settled(migration) => return Ok(migration),
    };
    let step_error = |source| MigrateError::Step { path: path.to_owned(), source };
    let (mut after, mut to) = (before.clone(), from);
    while let Some(step) = steps.iter().find(|step| step.from == to) {
        (step.apply)(&mut after).and_then(|()| after.set_version(step.to)).map_err(step_error)?;
        to = step.to;
    }
    let backup = backup_of(path, now);
    replace(path, &backup, before.text(), after.text())?;
    Ok(Migration::Migrated { from, to, backup })
}

fn look(path: &Path) -> Result<Found, MigrateError> {
    let Some(bytes) = file::read(path)? else { return Ok(Found::Settled(Migration::NoFile)) };
    if is_surely_current(&bytes) {
        return Ok(Found::Settled(Migration::Current));
    }
    let config = file::parse(path, bytes)?;
    let version =
        config.version().map_err(|source| MigrateError::Version { path: path.to_owned(), source })?;
    Ok(match version {
        Version::Older(version) => Found::Older(config, version),
        Version::Current => Found::Settled(Migration::Current),
        Version::Newer(found) => Found::Settled(Migration::Newer { found }),
    })
}

fn backup_of(path: &Path, now: SystemTime) -> PathBuf {
    let mut name = OsString::from(path);
    // Some file systems know no colons.
    name.push(format!(".{}.bak", timestamp::rfc3339(now).replace(':', "")));
    name.into()
}

fn replace(path: &Path, backup: &Path, before: &str, after: &str) -> Result<(), MigrateError> {
    let write_error = |source| MigrateError::Write { path: path.to_owned(), source };
    let mode = file::mode(path)?;
    if mode & 0o200 == 0 {
        return Err(MigrateError::ReadOnly { path: path.to_owned(), mode });
    }
    whole_file::write_new(backup, before.as_bytes(), file::MODE)
        .map_err(|source| MigrateError::Backup { path: path.to_owned(), source })?;
    whole_file::write(path, after.as_bytes(), mode).map_err(|source| {
        // Nothing was migrated, so nothing needs it; of a file that cannot be replaced, a symlink for instance, each boot would leave
        // one more. Whatever comes of that: the first failure is the one to tell.
        let _ = fs::remove_file(backup);
        write_error(source)
    })
}
