//! Advisory locks on files beside the protected ones. The kernel releases a lock with its process, so a dead
//! process blocks no other.
//!
//! A volume may have no locks: NFS without a lock daemon, some FUSE and desktop mounts. The substitute is a
//! lock file in the memory of this machine, with a name derived from the path. It excludes the processes of
//! one container only. A lock between containers must not use it, since other containers cannot see it.

use std::env;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Access, Mode, OFlags};
use sha2::{Digest, Sha256};

use crate::{file_system, whole_file};

/// The account's directory in memory, which exists in a container: the scan directory of its supervision
/// tree.
pub const ACCOUNT_MEMORY: &str = "/run/service";

/// The time between two attempts to take a lock. Holders write one small file.
const POLL: Duration = Duration::from_millis(1);

/// Opens the lock file at `path`, and creates it if it is missing. Refuses a symlink and never blocks. Does
/// not check the kind of the file.
///
/// # Errors
/// Returns the error of the system call.
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

/// Takes the exclusive lock of `file`, which was opened at `path`, without waiting. On a volume without
/// locks, replaces `file` by its substitute.
///
/// # Errors
/// Fails if another process holds the lock, or neither lock is available.
pub fn try_lock(path: &Path, file: &mut File) -> Result<(), TryLockError> {
    try_with(path, file, File::try_lock)
}

/// Takes a shared lock as [`try_lock`] does.
///
/// # Errors
/// Fails as [`try_lock`] does.
pub fn try_lock_shared(path: &Path, file: &mut File) -> Result<(), TryLockError> {
    try_with(path, file, File::try_lock_shared)
}

fn try_with(
    path: &Path,
    file: &mut File,
    lock: fn(&File) -> Result<(), TryLockError>,
) -> Result<(), TryLockError> {
    match lock(file) {
        Err(TryLockError::Error(error)) if file_system::is_lacking(&error) => {
            let Some(place) = substitutes(rustix::process::geteuid().is_root()) else {
                return Err(TryLockError::Error(error));
            };
            *file = open_substitute(&place, path).map_err(TryLockError::Error)?;
            lock(file)
        }
        locked => locked,
    }
}

/// Returns the directory of the substitutes: beside the slots in a container, else in the user's runtime
/// directory. All processes of the account find the same one. Root gets `None`, since the account can change
/// the directory.
fn substitutes(is_root: bool) -> Option<PathBuf> {
    if is_root {
        return None;
    }
    let is_usable = |place: &PathBuf| rustix::fs::access(place, Access::WRITE_OK).is_ok();
    // s6-svscan(8) ignores a directory with a leading dot.
    let of_user = || env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|place| place.is_absolute());
    let parent =
        Some(PathBuf::from(ACCOUNT_MEMORY)).filter(is_usable).or_else(|| of_user().filter(is_usable));
    parent.map(|parent| parent.join(".locks"))
}

/// Returns the directory of the substitutes if a lock of this machine needed one before.
pub fn substitutes_directory() -> Option<PathBuf> {
    substitutes(rustix::process::geteuid().is_root()).filter(|place| place.is_dir())
}

fn open_substitute(place: &Path, path: &Path) -> io::Result<File> {
    match DirBuilder::new().mode(0o700).create(place) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let parent = path.parent().map_or_else(|| Ok(PathBuf::new()), fs::canonicalize)?;
    let digest = Sha256::digest(parent.join(path.file_name().unwrap_or_default()).as_os_str().as_bytes());
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    open(&place.join(name))
}

/// A held lock. Dropping it releases the lock.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

impl LockFile {
    /// Takes the lock at `path`. Creates the file if it is missing, and keeps it. Refuses a symlink.
    ///
    /// # Errors
    /// Fails if the file cannot be opened. The kind is `TimedOut` if another process held the lock until the
    /// deadline.
    pub fn take(path: &Path, deadline: Duration) -> io::Result<Self> {
        let mut file = open(path)?;
        let give_up = Instant::now() + deadline;
        loop {
            match try_lock(path, &mut file) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::TimedOut.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_paths_to_a_lock_share_one_substitute() {
        let folder = tempfile::tempdir().unwrap();
        let (volume, place) = (folder.path().join("volume"), folder.path().join("locks"));
        fs::create_dir_all(volume.join("profiles")).unwrap();
        std::os::unix::fs::symlink("volume", folder.path().join("link")).unwrap();
        let one = open_substitute(&place, &volume.join("profiles/.lock")).unwrap();
        one.try_lock().unwrap();
        let same = open_substitute(&place, &folder.path().join("link/profiles/.lock")).unwrap();
        assert!(matches!(same.try_lock(), Err(TryLockError::WouldBlock)));
        open_substitute(&place, &volume.join(".lock")).unwrap().try_lock().unwrap();
        drop(one);
        same.try_lock().unwrap();
    }

    #[test]
    fn root_uses_no_lock_that_the_account_can_change() {
        assert_eq!(substitutes(true), None);
    }
}
