//! A private copy of a database that another program may use.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};

use crate::store::ids::random_hex;

/// The files that belong to a database, by the ends of their names. The shared memory (`-shm`) is made anew from the log.
const PARTS: [&str; 3] = ["", "-wal", "-journal"];

/// The attempts to copy a database that changes meanwhile.
const ATTEMPTS: u32 = 3;

/// The reason why a database could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A system call failed.
    #[error("failed to access {}", path.display())]
    Access {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// A path is no regular file.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The database changed during each attempt.
    #[error("another program writes to it; stop that program")]
    Changing,
}

/// The size and the time of the last change of a database with its logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) size: i64,
    /// In milliseconds since 1970, the newest of all files.
    pub(crate) modified: i64,
}

impl Mark {
    /// Returns the mark of a database. `None` if it is missing.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>, CopyError> {
        let mut mark = Self { size: 0, modified: 0 };
        for end in PARTS {
            let part = part(path, end);
            match fs::symlink_metadata(&part) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && end.is_empty() => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(CopyError::Access { path: part, source }),
                Ok(found) if !found.is_file() => return Err(CopyError::NotAFile { path: part }),
                Ok(found) => {
                    let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                    mark.size = mark.size.saturating_add(i64::try_from(found.len()).unwrap_or(i64::MAX));
                    mark.modified =
                        mark.modified.max(i64::try_from(modified.as_millis()).unwrap_or(i64::MAX));
                }
            }
        }
        Ok(Some(mark))
    }
}

/// A copy in a directory of its own. Dropping it removes the directory.
#[derive(Debug)]
pub(crate) struct Copy {
    directory: PathBuf,
}

impl Copy {
    /// Copies the database at `from` into a new directory beside the path `beside`.
    pub(crate) fn make(from: &Path, beside: &Path) -> Result<(Self, Mark), CopyError> {
        let directory = beside.with_file_name(format!(".import-{}", random_hex()));
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|source| CopyError::Access { path: directory.clone(), source })?;
        let copy = Self { directory };
        for _ in 0..ATTEMPTS {
            let before = Mark::of(from)?;
            for end in PARTS {
                copy_part(&part(from, end), &part(&copy.path(), end))?;
            }
            if let Some(mark) = before
                && Mark::of(from)? == before
            {
                return Ok((copy, mark));
            }
        }
        Err(CopyError::Changing)
    }

    /// Returns the path of the copied database.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("state.db")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A directory that stays has a name that says its purpose.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn copy_part(from: &Path, to: &Path) -> Result<(), CopyError> {
    let reading = |source| CopyError::Access { path: from.to_owned(), source };
    let writing = |source| CopyError::Access { path: to.to_owned(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let mut source: File = match rustix::fs::open(from, flags, Mode::empty()) {
        Ok(source) => source.into(),
        Err(rustix::io::Errno::NOENT) => return remove(to).map_err(writing),
        Err(error) => return Err(reading(error.into())),
    };
    if !source.metadata().map_err(reading)?.is_file() {
        return Err(CopyError::NotAFile { path: from.to_owned() });
    }
    let target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to);
    io::copy(&mut source, &mut target.map_err(writing)?).map_err(reading)?;
    Ok(())
}

/// Removes what an earlier attempt copied.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn part(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
