//! An advisory lock on a file beside the one that is to be changed. It ends with the process that holds it, so a dead one is no
//! obstacle.
//!
//! A volume may have no locks: NFS without a lock daemon, some FUSE and desktop mounts. Then the lock is a file in the memory of this
//! machine, with a name made of the path. It excludes the processes of one container. A lock that must exclude other containers must
//! not use it: they cannot see it.

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

/// A directory of the account in memory, which a container has: the scan directory of its supervision tree.
pub const ACCOUNT_MEMORY: &str = "/run/service";

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

/// Takes the lock of the `file` that was opened at `path`, without waiting. On a volume without locks, `file` becomes the file that
/// stands for it.
///
/// # Errors
/// Another holds it, or there is no lock to be had.
pub fn try_lock(path: &Path, file: &mut File) -> Result<(), TryLockError> {
    try_with(path, file, File::try_lock)
}

/// The same for a lock that many share.
///
/// # Errors
/// As [`try_lock`].
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

/// The directory of the locks that stand for those of the volume: in a container beside the slots, elsewhere in the user's runtime
/// directory. Every process of the account finds the same one. Root gets none: the account can change what lies there.
fn substitutes(is_root: bool) -> Option<PathBuf> {
    if is_root {
        return None;
    }
    let is_usable = |place: &PathBuf| rustix::fs::access(place, Access::WRITE_OK).is_ok();
    // s6-svscan takes no directory for a slot whose name begins with a dot.
    let of_user = || env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|place| place.is_absolute());
    let parent =
        Some(PathBuf::from(ACCOUNT_MEMORY)).filter(is_usable).or_else(|| of_user().filter(is_usable));
    parent.map(|parent| parent.join(".locks"))
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
    fn the_substitute_of_a_lock_is_the_same_by_every_way_to_it() {
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
