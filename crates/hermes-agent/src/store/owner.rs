//! Owners of turns: processes that are alive.
//!
//! An owner holds the lock of a file in the directory `.turns` beside the database. The kernel releases the lock with the process.
//! Process IDs prove nothing: they are reused, and each container has its own.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use hermes_os::lock_file;

use super::ids::random_hex;

/// The directory of the owners' files, beside the database.
const DIRECTORY: &str = ".turns";

/// A process that runs turns. It is alive as long as one clone exists.
#[derive(Clone, Debug)]
pub struct Owner {
    claim: Arc<Claim>,
}

#[derive(Debug)]
struct Claim {
    id: String,
    description: String,
    path: PathBuf,
    _lock: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A file that stays has no lock, which means the same.
        let _ = fs::remove_file(&self.path);
    }
}

/// The reason why a process cannot own turns.
#[derive(Debug, thiserror::Error)]
#[error("failed to lock the file {} of this process", path.display())]
pub struct OwnerError {
    /// The file.
    path: PathBuf,
    /// The error of the system call.
    source: io::Error,
}

impl Owner {
    /// Makes this process an owner of turns in the database at `database`. `description` names it for users, as `gateway main`.
    ///
    /// # Errors
    /// Fails if the file of the owner cannot be created or locked.
    pub fn claim(database: &Path, description: &str) -> Result<Self, OwnerError> {
        let directory = directory_of(database);
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(OwnerError { path: directory, source });
            }
            _ => {}
        }
        remove_dead_files(&directory);
        loop {
            let id = format!("{}{}", random_hex(), random_hex());
            let path = directory.join(&id);
            let error = |source| OwnerError { path: path.clone(), source };
            let mut lock = lock_file::open(&path).map_err(error)?;
            match lock_file::try_lock(&path, &mut lock) {
                // Another process that tidies up may have removed the file before it was locked.
                Ok(()) if !path.exists() => {}
                Ok(()) => {
                    let claim = Claim { id, description: description.to_owned(), path, _lock: lock };
                    return Ok(Self { claim: Arc::new(claim) });
                }
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(source)) => return Err(OwnerError { path, source }),
            }
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.claim.id
    }

    /// Returns the description for users.
    pub fn description(&self) -> &str {
        &self.claim.description
    }

    pub(crate) fn pid(&self) -> u32 {
        process::id()
    }
}

fn directory_of(database: &Path) -> PathBuf {
    database.with_file_name(DIRECTORY)
}

/// Returns `true` if the owner with this ID lives. In doubt it does.
pub(crate) fn is_alive(database: &Path, id: &str) -> bool {
    // A database from elsewhere must not name a path.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return false;
    }
    let path = directory_of(database).join(id);
    match fs::symlink_metadata(&path) {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(found) if !found.is_file() => false,
        Ok(_) => !can_lock(&path),
    }
}

fn can_lock(path: &Path) -> bool {
    lock_file::open(path).is_ok_and(|mut file| lock_file::try_lock(path, &mut file).is_ok())
}

/// Removes the files of dead owners. Their turns stay to be folded: a missing file means the same.
fn remove_dead_files(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(mut file) = lock_file::open(&path) else { continue };
        if lock_file::try_lock(&path, &mut file).is_ok() {
            // A file that stays is found again.
            let _ = fs::remove_file(&path);
        }
    }
}
