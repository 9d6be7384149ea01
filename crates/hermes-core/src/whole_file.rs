//! Files that other processes read: written whole or not at all, and read without mistaking "cannot" for "is not there".

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

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
/// directory, synced, renamed. A reader sees the old file or the new one. Whatever lies at `path` and is no regular file is left
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
            kind => Err(WriteError::NotAFile { path: path.to_owned(), kind: kind_name(kind) }),
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
        kind => return Err(ReadError::NotAFile { path: path.to_owned(), kind: kind_name(kind) }),
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

/// What an operator calls the thing.
pub(crate) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "regular file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "thing of unknown kind",
    }
}

/// A symlink that leads nowhere is something that cannot be read, not nothing.
fn is_dangling(path: &Path) -> bool {
    rustix::fs::lstat(path).is_ok()
}

fn open_directory_of(path: &Path) -> rustix::io::Result<OwnedFd> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn fill(file: File, contents: &[u8], mode: u32) -> io::Result<()> {
    put(&file, contents, mode)?;
    file.sync_all()
}

fn put(mut file: &File, contents: &[u8], mode: u32) -> io::Result<()> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
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
        rustix::fs::renameat(&self.directory, &self.name, &self.directory, target)?;
        self.renamed = true;
        Ok(())
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
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn names_in(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_read_back_with_the_mode_that_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write(&path, b"one", 0o600).unwrap();
        write(&path, b"two", 0o664).unwrap();
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"two");
        assert_eq!(mode_of(&path).unwrap(), Some(0o664), "the umask takes nothing away");
        assert_eq!(names_in(folder.path()), ["x"]);
    }

    #[test]
    fn missing_is_nothing_and_unreadable_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("x"), 1).unwrap().is_none());
        assert!(read(&folder.path().join("no/x"), 1).unwrap().is_none());

        let file = folder.path().join("file");
        fs::write(&file, "four").unwrap();
        assert!(
            matches!(read(&file.join("x"), 1).unwrap_err(), ReadError::Open { .. }),
            "a parent that is a file"
        );
        assert!(matches!(read(&file, 3).unwrap_err(), ReadError::TooLarge { limit: 3, .. }));
        assert!(matches!(read(folder.path(), 3).unwrap_err(), ReadError::NotAFile { kind: "directory", .. }));

        let link = folder.path().join("link");
        symlink("nowhere", &link).unwrap();
        assert!(matches!(read(&link, 3).unwrap_err(), ReadError::Open { .. }));
    }

    #[test]
    fn a_fifo_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(matches!(read(&path, 3).unwrap_err(), ReadError::NotAFile { kind: "FIFO", .. }));
        assert!(matches!(write(&path, b"x", 0o600).unwrap_err(), WriteError::NotAFile { kind: "FIFO", .. }));
    }

    #[test]
    fn a_symlink_a_directory_and_a_socket_at_the_target_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "old").unwrap();
        let link = folder.path().join("link");
        symlink(&precious, &link).unwrap();
        assert!(matches!(
            write(&link, b"x", 0o600).unwrap_err(),
            WriteError::NotAFile { kind: "symlink", .. }
        ));
        assert_eq!(fs::read(&precious).unwrap(), b"old");
        assert!(link.is_symlink());

        let directory = folder.path().join("directory");
        fs::create_dir(&directory).unwrap();
        assert!(matches!(
            write(&directory, b"x", 0o600).unwrap_err(),
            WriteError::NotAFile { kind: "directory", .. }
        ));
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(matches!(
            write(&socket, b"x", 0o600).unwrap_err(),
            WriteError::NotAFile { kind: "socket", .. }
        ));
        assert_eq!(names_in(folder.path()), ["directory", "link", "precious", "socket"]);
    }

    #[test]
    fn a_new_file_replaces_nothing_whatever_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_new(&path, b"old", 0o640).unwrap();
        assert_eq!(mode_of(&path).unwrap(), Some(0o640));
        assert!(matches!(write_new(&path, b"new", 0o600).unwrap_err(), WriteError::Exists { .. }));
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"old");
        symlink("nowhere", folder.path().join("y")).unwrap();
        let error = write_new(&folder.path().join("y"), b"new", 0o600).unwrap_err();
        assert!(matches!(error, WriteError::NotAFile { kind: "symlink", .. }), "{error:?}");

        // One that came there after the look.
        let directory = open_directory_of(&path).unwrap();
        let (temporary, _) = Temporary::create(directory, OsStr::new("x")).unwrap();
        assert_eq!(temporary.become_new(OsStr::new("x")).unwrap_err(), Errno::EXIST);
        assert_eq!(names_in(folder.path()), ["x", "y"]);
    }

    #[test]
    fn a_temporary_file_that_never_became_the_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open_directory_of(&folder.path().join("x")).unwrap();
        let (temporary, file) = Temporary::create(directory, OsStr::new("x")).unwrap();
        assert_eq!(names_in(folder.path()).len(), 1);
        drop((temporary, file));
        assert!(names_in(folder.path()).is_empty());
    }

    #[test]
    fn a_disk_that_fills_up_in_the_middle_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write(&path, b"old", 0o600).unwrap();
        let fill = |mut file: File| {
            file.write_all(b"ne")?;
            assert_eq!(names_in(folder.path()).len(), 2);
            Err(Errno::NOSPC.into())
        };
        let error = write_by(&path, fill, Temporary::replace).unwrap_err();
        assert!(matches!(error, WriteError::Write { .. }), "{error:?}");
        assert_eq!(error.io_kind(), Some(io::ErrorKind::StorageFull));
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"old");
        assert_eq!(names_in(folder.path()), ["x"]);
    }

    #[test]
    fn a_directory_that_is_gone_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone/x");
        let error = write(&path, b"x", 0o600).unwrap_err();
        assert!(matches!(error, WriteError::OpenDirectory { .. }));
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
        assert!(names_in(folder.path()).is_empty());
    }

    #[test]
    fn a_reader_sees_the_old_file_or_the_new_one_and_never_half_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let versions: [Vec<u8>; 2] = [vec![b'a'; 50_000], vec![b'b'; 100_000]];
        write(&path, &versions[0], 0o600).unwrap();
        // Held open, so that its inode number is not given to another.
        let first = File::open(&path).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0..50 {
                    write(&path, &versions[round % 2], 0o600).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = read(&path, 1 << 20).unwrap().unwrap();
                assert!(versions.contains(&seen), "{} bytes", seen.len());
            }
        });
        assert_ne!(fs::metadata(&path).unwrap().ino(), first.metadata().unwrap().ino());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
