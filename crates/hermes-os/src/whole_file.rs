//! Reads and writes files that other processes read. A write replaces the whole file or fails. A read
//! distinguishes a missing file from an unreadable one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::{file_kind, file_system};

mod in_place;

/// The reason why a file was not written. A former file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The path has no file name.
    #[error("failed to write {}: the path names no file", path.display())]
    NoFileName {
        /// The target.
        path: PathBuf,
    },
    /// The directory of the file could not be opened.
    #[error("failed to open the directory of {}", path.display())]
    OpenDirectory {
        /// The target.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The path is a symlink, a directory, a FIFO or another kind of file. It was not changed.
    #[error("failed to write {}: what lies there is a {kind}, not a file; remove it", path.display())]
    NotAFile {
        /// The target.
        path: PathBuf,
        /// The kind of the file.
        kind: &'static str,
    },
    /// A new file was requested, and the path exists.
    #[error("failed to write {}: there is a file already, and it is not replaced", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The temporary file beside the target could not be created.
    #[error("failed to create a temporary file beside {}", path.display())]
    CreateTemporary {
        /// The target.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The content could not be written, for instance to a full disk.
    #[error("failed to write {}", path.display())]
    Write {
        /// The target.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The temporary file could not be renamed to the target.
    #[error("failed to replace {}", path.display())]
    Replace {
        /// The target.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

impl WriteError {
    /// Returns the kind of the system error; `None` if no system call failed.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::NoFileName { .. } | Self::NotAFile { .. } | Self::Exists { .. } => None,
            Self::OpenDirectory { source, .. }
            | Self::CreateTemporary { source, .. }
            | Self::Write { source, .. }
            | Self::Replace { source, .. } => Some(source.kind()),
        }
    }
}

/// The reason why a file was not read. A missing file is no error.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file exists, or may exist, and cannot be opened.
    #[error("failed to open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The file was opened and cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The path is a directory, a FIFO, a socket or a device.
    #[error("failed to read {}: it is a {kind}, not a file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// The kind of the file.
        kind: &'static str,
    },
    /// A symlink leads out of the directory that the read may not leave.
    #[error("failed to read {}: it leads out of {}", path.display(), directory.display())]
    Outside {
        /// The file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// The file exceeds the limit.
    #[error("failed to read {}: it is longer than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl ReadError {
    /// Returns the kind of the system error; `None` if no system call failed.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => Some(source.kind()),
            Self::NotAFile { .. } | Self::Outside { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// Writes `contents` to `path` with exactly the permission bits `mode`: to a temporary file in the same
/// directory, which is synced and renamed. A reader sees the old or the new file.
///
/// A file that is a mount point of its own is written in place. A path that is no regular file, a symlink
/// included, is not changed.
///
/// # Errors
/// Returns the step that failed. The old file is then unchanged, and the temporary file removed.
pub fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), WriteError> {
    write_by(path, |file| fill(file, contents, mode), Temporary::replace)
}

/// Writes `contents` as [`write`] does, but does not wait for the disk. It suits files that change often and
/// have no use after a loss of power. A reader still sees the old or the new file.
///
/// # Errors
/// Fails as [`write`] does.
pub fn write_for_now(path: &Path, contents: &[u8], mode: u32) -> Result<(), WriteError> {
    write_by(path, |file| put(&file, contents, mode), Temporary::replace)
}

/// Writes `contents` as [`write_for_now`] does, into an open directory, whatever its path leads to now. Of `path`, only the file name
/// counts; the rest is for messages.
///
/// # Errors
/// Fails as [`write`] does.
pub fn write_in(directory: OwnedFd, path: &Path, contents: &[u8], mode: u32) -> Result<(), WriteError> {
    write_at(directory, name_of(path)?, path, |file| put(&file, contents, mode), Temporary::replace)
}

/// Writes `contents` to a new file as [`write`] does. Never replaces a file, even one that another process
/// creates meanwhile.
///
/// # Errors
/// Fails as [`write`] does, and with [`WriteError::Exists`] if the file exists.
pub fn write_new(path: &Path, contents: &[u8], mode: u32) -> Result<(), WriteError> {
    let (directory, name) = directory_and_name(path)?;
    if is_a_file(&directory, name, path)? {
        return Err(WriteError::Exists { path: path.to_owned() });
    }
    write_by(path, |file| fill(file, contents, mode), Temporary::become_new)
}

fn name_of(path: &Path) -> Result<&OsStr, WriteError> {
    path.file_name().ok_or_else(|| WriteError::NoFileName { path: path.to_owned() })
}

fn directory_and_name(path: &Path) -> Result<(OwnedFd, &OsStr), WriteError> {
    let name = name_of(path)?;
    let directory = open_directory_of(path)
        .map_err(|error| WriteError::OpenDirectory { path: path.to_owned(), source: error.into() })?;
    Ok((directory, name))
}

/// Returns `true` for a file, and `false` if nothing is there. Fails for another kind of file.
fn is_a_file(directory: &OwnedFd, name: &OsStr, path: &Path) -> Result<bool, WriteError> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(true),
            kind => Err(WriteError::NotAFile { path: path.to_owned(), kind: file_kind::name(kind) }),
        },
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(WriteError::Replace { path: path.to_owned(), source: error.into() }),
    }
}

fn write_by(
    path: &Path,
    fill: impl FnOnce(File) -> io::Result<()>,
    finish: fn(Temporary, &OsStr) -> rustix::io::Result<()>,
) -> Result<(), WriteError> {
    let (directory, name) = directory_and_name(path)?;
    write_at(directory, name, path, fill, finish)
}

fn write_at(
    directory: OwnedFd,
    name: &OsStr,
    path: &Path,
    fill: impl FnOnce(File) -> io::Result<()>,
    finish: fn(Temporary, &OsStr) -> rustix::io::Result<()>,
) -> Result<(), WriteError> {
    is_a_file(&directory, name, path)?;
    let (temporary, file) = Temporary::create(directory, name)
        .map_err(|error| WriteError::CreateTemporary { path: path.to_owned(), source: error.into() })?;
    fill(file).map_err(|source| WriteError::Write { path: path.to_owned(), source })?;
    finish(temporary, name).map_err(|error| match error {
        Errno::EXIST => WriteError::Exists { path: path.to_owned() },
        error => WriteError::Replace { path: path.to_owned(), source: error.into() },
    })
}

/// Reads a regular file of at most `limit` bytes. Returns `None` if there is none. Follows a symlink, since
/// mounted configurations are often symlinks. Never blocks.
///
/// # Errors
/// Fails if the path exists and cannot be read, is no regular file or exceeds `limit`.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let open_error = |source| ReadError::Open { path: path.to_owned(), source };
    let file = match rustix::fs::open(path, READ_FLAGS, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT) if is_dangling(path) => return Err(open_error(Errno::NOENT.into())),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(open_error(error.into())),
    };
    contents_of(file, path, limit).map(Some)
}

/// Reads the file at `relative` in `directory` as [`read`] does. Fails if a symlink leads out of `directory`. Another process may
/// change the links meanwhile. Returns `None` if the file or `directory` is missing.
///
/// A kernel without openat2(2) refuses every symlink below `directory`.
///
/// # Errors
/// Fails as [`read`] does, and with [`ReadError::Outside`].
pub fn read_within(directory: &Path, relative: &Path, limit: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let path = directory.join(relative);
    let open_error = |error: Errno| ReadError::Open { path: path.clone(), source: error.into() };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = match rustix::fs::open(directory, flags, Mode::empty()) {
        Ok(root) => root,
        Err(Errno::NOENT) if !is_dangling(directory) => return Ok(None),
        Err(error) => return Err(open_error(error)),
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened = match rustix::fs::openat2(&root, relative, READ_FLAGS, Mode::empty(), resolve) {
        // Linux before 5.6, and some sandboxes, do not have the call.
        Err(Errno::NOSYS | Errno::PERM) => open_without_links(root, relative),
        opened => opened,
    };
    match opened {
        Ok(descriptor) => contents_of(File::from(descriptor), &path, limit).map(Some),
        Err(Errno::XDEV) => Err(ReadError::Outside { path, directory: directory.to_owned() }),
        Err(Errno::NOENT) if !is_dangling(&path) => Ok(None),
        Err(error) => Err(open_error(error)),
    }
}

/// The flags of a read. NONBLOCK: without it, open(2) of a FIFO blocks until a writer comes.
const READ_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

fn open_without_links(root: OwnedFd, relative: &Path) -> rustix::io::Result<OwnedFd> {
    let mut opened = root;
    let mut names = relative.components().peekable();
    while let Some(component) = names.next() {
        let Component::Normal(name) = component else { return Err(Errno::XDEV) };
        let flags = match names.peek() {
            Some(_) => OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            None => READ_FLAGS,
        };
        opened = rustix::fs::openat(&opened, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(opened)
}

fn contents_of(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let read_error = |source| ReadError::Read { path: path.to_owned(), source };
    let stat = rustix::fs::fstat(&file).map_err(|error| read_error(error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        kind => return Err(ReadError::NotAFile { path: path.to_owned(), kind: file_kind::name(kind) }),
    }
    // One byte beyond the limit reveals a file that grew meanwhile.
    let mut contents = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut contents).map_err(read_error)?;
    if contents.len() as u64 > limit {
        return Err(ReadError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(contents)
}

/// Returns the permission bits of the file at `path`, so that a write can keep them; `None` if there is no
/// file.
///
/// # Errors
/// Fails if stat(2) fails.
pub fn mode_of(path: &Path) -> io::Result<Option<u32>> {
    match rustix::fs::stat(path) {
        Ok(stat) => Ok(Some(stat.st_mode & 0o7777)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns `true` if a missing path is a dangling symlink, which counts as unreadable. A file that appeared
/// meanwhile counts as missing.
fn is_dangling(path: &Path) -> bool {
    rustix::fs::lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// Opens the directory of `path`. Root follows no symlink in the path: the account can create symlinks in its
/// directories, and root would write to their targets.
pub(crate) fn open_directory_of(path: &Path) -> rustix::io::Result<OwnedFd> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if !rustix::process::geteuid().is_root() {
        return rustix::fs::open(directory, flags, Mode::empty());
    }
    match rustix::fs::openat2(CWD, directory, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Linux before 5.6, and some sandboxes, do not have the call.
        Err(Errno::NOSYS | Errno::PERM) => open_step_by_step(directory, flags | OFlags::NOFOLLOW),
        opened => opened,
    }
}

fn open_step_by_step(directory: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let start = if directory.is_absolute() { "/" } else { "." };
    let mut opened = rustix::fs::open(start, flags, Mode::empty())?;
    for component in directory.components() {
        if let Component::Normal(name) = component {
            opened = rustix::fs::openat(&opened, name, flags, Mode::empty())?;
        } else if component == Component::ParentDir {
            opened = rustix::fs::openat(&opened, "..", flags, Mode::empty())?;
        }
    }
    Ok(opened)
}

fn fill(file: File, contents: &[u8], mode: u32) -> io::Result<()> {
    put(&file, contents, mode)?;
    file_system::sync(&file)
}

fn put(mut file: &File, contents: &[u8], mode: u32) -> io::Result<()> {
    file_system::set_mode(file, mode)?;
    file.write_all(contents)
}

/// The temporary file. It is removed on drop unless it was renamed.
struct Temporary {
    directory: OwnedFd,
    name: OsString,
    renamed: bool,
}

impl Temporary {
    fn create(directory: OwnedFd, target: &OsStr) -> rustix::io::Result<(Self, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let mut name = OsString::from(".");
            name.push(target);
            name.push(format!(".{}-{}.tmp", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
            match rustix::fs::openat(&directory, &name, flags, Mode::from_raw_mode(0o600)) {
                Ok(file) => return Ok((Self { directory, name, renamed: false }, File::from(file))),
                // A killed process with this PID left the file, perhaps in another container.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn replace(mut self, target: &OsStr) -> rustix::io::Result<()> {
        match rustix::fs::renameat(&self.directory, &self.name, &self.directory, target) {
            Ok(()) => {
                self.renamed = true;
                Ok(())
            }
            // The target is a mount point; or the directory has the sticky bit and the target belongs to
            // another user, but this process may write it.
            Err(error @ (Errno::BUSY | Errno::PERM)) => {
                in_place::overwrite(&self.directory, &self.name, target).map_err(|failed| {
                    let denied = failed.kind() == io::ErrorKind::PermissionDenied;
                    Errno::from_io_error(&failed).filter(|_| !denied).unwrap_or(error)
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the temporary file the target, which must not exist.
    fn become_new(self, target: &OsStr) -> rustix::io::Result<()> {
        // link(2) instead of rename(2): it never replaces a file.
        let nothing_is_there =
            || rustix::fs::statat(&self.directory, target, AtFlags::SYMLINK_NOFOLLOW).is_err();
        match rustix::fs::linkat(&self.directory, &self.name, &self.directory, target, AtFlags::empty()) {
            Ok(()) => Ok(()),
            // Some file systems have no hard links.
            Err(error) if error != Errno::EXIST && nothing_is_there() => self.replace(target),
            Err(_) => Err(Errno::EXIST),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // The caller reports the first error. A temporary file that cannot be removed needs no other
            // action.
            let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
