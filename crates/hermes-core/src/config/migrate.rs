//! Migrates a configuration to the current version, step by step. A step adds or sets values and keeps all
//! other text.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hermes_os::whole_file::{self, WriteError};

use super::file::{self, ConfigFileError};
use super::version::{Version, VersionError, is_surely_current};
use super::yaml::{Config, SetError};
use crate::timestamp;

/// The result of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Migration {
    /// There is no configuration, and none was created.
    NoFile,
    /// The configuration has the current version.
    Current,
    /// A later release wrote the configuration. It was not changed.
    Newer {
        /// The version in the file.
        found: u64,
    },
    /// The configuration now has the current version.
    Migrated {
        /// The former version; 0 if the file named none.
        from: u64,
        /// The new version.
        to: u64,
        /// The copy of the former file: `config.yaml.2026-11-24T130500.373699Z.bak`, mode 0600.
        backup: PathBuf,
    },
}

/// The reason why a configuration was not migrated. The file is unchanged and no backup is left.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The file cannot be read or locked, or is not valid YAML.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// The value of `version` is invalid.
    #[error("failed to read the version of {}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The invalid value and its line.
        source: VersionError,
    },
    /// A step cannot be applied, for instance because the file is no mapping.
    #[error("failed to migrate {}", path.display())]
    Step {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: SetError,
    },
    /// The mode of the file is read-only. A rename would replace it all the same, so the migration refuses.
    #[error("failed to migrate {}: it is read-only (mode {mode:04o}); to allow it: chmod u+w", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The backup could not be written.
    #[error("failed to back up {}", path.display())]
    Backup {
        /// The file to be backed up.
        path: PathBuf,
        /// The step that failed, with the backup's path.
        source: WriteError,
    },
    /// The new content could not be written.
    #[error("failed to migrate {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        source: WriteError,
    },
}

/// A step from one version to a later one.
pub(super) struct Step {
    pub(super) from: u64,
    pub(super) to: u64,
    /// Adds or sets the values of the later version. The caller writes the version itself.
    pub(super) apply: fn(&mut Config) -> Result<(), SetError>,
}

/// All steps. A new version appends one.
pub(super) const STEPS: &[Step] = &[
    // Files of the Python program name no version. Their settings have the same names here.
    Step { from: 0, to: 1, apply: |_| Ok(()) },
];

/// Migrates the configuration at `path`, with a backup beside it. A current file is not locked and may lie on
/// a read-only volume. It is not parsed if [`is_surely_current`] recognizes it.
///
/// The caller must be the account that owns the file: the new file belongs to the caller. Root must not call
/// this on a volume that another account can write.
///
/// # Errors
/// Fails if the file cannot be read, parsed, locked, backed up or written, or is no mapping. The file is then
/// unchanged.
pub fn migrate(path: &Path) -> Result<Migration, MigrateError> {
    migrate_and(path, |_| Ok(()))
}

/// Migrates as [`migrate`] does, and then changes the new content, in the same write. A current file does not change.
///
/// # Errors
/// Fails as [`migrate`] does, or if `change` fails. The file is then unchanged.
pub fn migrate_and(
    path: &Path,
    change: impl FnOnce(&mut Config) -> Result<(), SetError>,
) -> Result<Migration, MigrateError> {
    migrate_by(STEPS, path, SystemTime::now(), change)
}

/// The state of a file before a migration.
enum Found {
    Older(Config, u64),
    Settled(Migration),
}

pub(super) fn migrate_by(
    steps: &[Step],
    path: &Path,
    now: SystemTime,
    change: impl FnOnce(&mut Config) -> Result<(), SetError>,
) -> Result<Migration, MigrateError> {
    if let Found::Settled(migration) = look(path)? {
        return Ok(migration);
    }
    let _lock = file::lock(path)?;
    // Another process may have held the lock and changed the file.
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
    change(&mut after).map_err(step_error)?;
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
    // Some file systems do not allow colons in names.
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
        // The backup has no use if the migration failed. Without this, a file that cannot be replaced, such
        // as a symlink, would get one more backup at each boot. The first error is the one to report.
        let _ = fs::remove_file(backup);
        write_error(source)
    })
}
