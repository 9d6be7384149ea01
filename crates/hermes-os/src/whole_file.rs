//! Files that other processes read: written whole or not at all, and read without mistaking "cannot" for "is not there".

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

/// Why a file was not written. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The path ends in no file name.
    #[error("write {}: the path names no file", path.display())]
    NoFileName {
        /// The target.
        path: PathBuf,
    },
    /// The directory that holds the file.
    #[error("open the directory of {}", path.display())]
    OpenDirectory {
        /// The target.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What lies there is a symlink, a directory, a FIFO, …: it is left alone.
    #[error("write {}: what lies there is a {kind}, not a file; remove it", path.display())]
    NotAFile {
        /// The target.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A file lies there, and was to be new.
    #[error("write {}: there is a file already, and it is not replaced", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The temporary file beside it.
    #[error("create a temporary file beside {}", path.display())]
    CreateTemporary {
        /// The target.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The contents, a full disk above all.
    #[error("write {}", path.display())]
    Write {
        /// The target.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The step that makes the new file the file.
    #[error("replace {}", path.display())]
    Replace {
        /// The target.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl WriteError {
    /// What the kernel said, where it was asked.
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

/// Why a file was not read. A file that is not there is no error.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is there, or may be, and cannot be opened.
    #[error("open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It was opened and cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A directory, a FIFO, a socket, a device.
    #[error("read {}: it is a {kind}, not a file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It is longer than anything that belongs there.
    #[error("read {}: it is longer than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl ReadError {
    /// What the kernel said, where it was asked.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => Some(source.kind()),
            Self::NotAFile { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// Writes `contents` to `path` with the permission bits `mode`, whatever the umask is: into a temporary file in the same
/// directory, synced, renamed. A reader sees the old file or the new one. A file that is a mount point of its own is written in place. Whatever lies at `path` and is no regular file is left
/// alone, a symlink included.
///
/// # Errors
/// Any step failed. The old file is as it was, and the temporary one is gone.
pub fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), WriteError> {
    write_by(path, |file| fill(file, contents, mode), Temporary::replace)
}

/// Writes `contents` to `path` as [`write`] does, but does not wait for the disk: for what means nothing after a loss of power, and
/// is written often. A reader sees the old file or the new one all the same.
///
/// # Errors
/// As [`write`].
pub fn write_for_now(path: &Path, contents: &[u8], mode: u32) -> Result<(), WriteError> {
    write_by(path, |file| put(&file, contents, mode), Temporary::replace)
}

/// Writes `contents` as [`write`] does to a `path` where nothing is: a file that is there, or comes there meanwhile, is never
/// replaced.
///
/// # Errors
/// As [`write`], and [`WriteError::Exists`].
pub fn write_new(path: &Path, contents: &[u8], mode: u32) -> Result<(), WriteError> {
    let (directory, name) = directory_and_name(path)?;
    if is_a_file(&directory, name, path)? {
        return Err(WriteError::Exists { path: path.to_owned() });
    }
    write_by(path, |file| fill(file, contents, mode), Temporary::become_new)
}

fn directory_and_name(path: &Path) -> Result<(OwnedFd, &OsStr), WriteError> {
    let name = path.file_name().ok_or_else(|| WriteError::NoFileName { path: path.to_owned() })?;
    let directory = open_directory_of(path)
        .map_err(|error| WriteError::OpenDirectory { path: path.to_owned(), source: error.into() })?;
    Ok((directory, name))
}

/// Whether a file lies there; nothing is no error, and what is no file is left alone.
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
    become_it: fn(Temporary, &OsStr) -> rustix::io::Result<()>,
) -> Result<(), WriteError> {
    let (directory, name) = directory_and_name(path)?;
    is_a_file(&directory, name, path)?;
    let (temporary, file) = Temporary::create(directory, name)
        .map_err(|error| WriteError::CreateTemporary { path: path.to_owned(), source: error.into() })?;
    fill(file).map_err(|source| WriteError::Write { path: path.to_owned(), source })?;
    become_it(temporary, name).map_err(|error| match error {
        Errno::EXIST => WriteError::Exists { path: path.to_owned() },
        error => WriteError::Replace { path: path.to_owned(), source: error.into() },
    })
}

/// Reads the whole of a regular file of at most `limit` bytes; nothing where there is none. A symlink is followed (a mounted
/// configuration is often one); nothing that lies there can make it wait.
///
/// # Errors
/// There is something, and it cannot be read or is no such file.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let open_error = |source| ReadError::Open { path: path.to_owned(), source };
    let read_error = |source| ReadError::Read { path: path.to_owned(), source };
    // NONBLOCK: the open of a FIFO that nobody writes would not return.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT) if is_dangling(path) => return Err(open_error(Errno::NOENT.into())),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(open_error(error.into())),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| read_error(error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        kind => return Err(ReadError::NotAFile { path: path.to_owned(), kind: file_kind::name(kind) }),
    }
    // One more than the limit tells a file that grew meanwhile from one that just fits.
    let mut contents = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut contents).map_err(read_error)?;
    if contents.len() as u64 > limit {
        return Err(ReadError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(Some(contents))
}

/// The permission bits of the file at `path`, to write it back with; nothing where there is none.
///
/// # Errors
/// The kernel does not tell.
pub fn mode_of(path: &Path) -> io::Result<Option<u32>> {
    match rustix::fs::stat(path) {
        Ok(stat) => Ok(Some(stat.st_mode & 0o7777)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Of a path that could not be opened because nothing is there: whether it is a symlink that leads nowhere, which is something
/// that cannot be read. A file that is there by now came after the look, at which there was none.
fn is_dangling(path: &Path) -> bool {
    rustix::fs::lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// Opens the directory that holds `path`. Root follows no symlink on the way: the account can plant one in every directory of its
/// own, and what root writes would land where the account may not write.
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
        // Before Linux 5.6, and in sandboxes that do not know the call.
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

/// The file that is not yet the file; removed unless it becomes it.
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
                // A process with this PID was killed while it wrote, perhaps in another container.
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
            // A mount point; or, in a directory with the sticky bit, a file of somebody else that this process may write all the same.
            Err(error @ (Errno::BUSY | Errno::PERM)) => {
                in_place::overwrite(&self.directory, &self.name, target).map_err(|failed| {
                    let denied = failed.kind() == io::ErrorKind::PermissionDenied;
                    Errno::from_io_error(&failed).filter(|_| !denied).unwrap_or(error)
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Becomes a file that is not there yet.
    fn become_new(self, target: &OsStr) -> rustix::io::Result<()> {
        // A link and not a rename: it never replaces what came there meanwhile.
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
            // Nothing is left to do about a temporary file that cannot be removed; the error that led here is the one to tell.
            let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
