//! Removes directories that an agent filled, with any depth, number of entries and modes.
//!
//! Recursion needs a descriptor and stack for each level, so a tree of 60,000 levels would end the program.
//! This code moves the subdirectories of a directory to the top one and then removes it. At most two levels
//! are open at a time. It follows no symlink and enters no mount.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, ResolveFlags, SeekFrom};
use rustix::io::Errno;

/// The usual time limit of a removal.
pub const A_MINUTE: Duration = Duration::from_secs(60);

/// The size of the buffer for getdents64(2), in bytes.
const READ_AT_ONCE: usize = 32 * 1024;

const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// Removes the entry at `path` and everything below it. Succeeds if there is none.
///
/// # Errors
/// Fails if an entry belongs to another user or is a mount point. The kind is `TimedOut` after `limit`. All
/// other entries are removed as far as possible.
pub fn remove(path: &Path, limit: Duration) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = rustix::fs::open(parent, OPEN.difference(OFlags::NOFOLLOW), Mode::empty())?;
    let name = CString::new(name.as_bytes())?;
    match remove_plain(&parent, &name) {
        Err(Errno::NOENT) => return Ok(()),
        // Without write permission on the parent, the directory itself stays, and its content goes.
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS | Errno::PERM) => {}
        done => return Ok(done?),
    }
    let top = open_own(&parent, &name)?;
    Emptying { top, deadline: Instant::now() + limit, serial: 0, first_error: None }.run()?;
    Ok(rustix::fs::unlinkat(&parent, &*name, AtFlags::REMOVEDIR)?)
}

/// Removes the content of the directory at `path`, but not the directory.
///
/// # Errors
/// Fails as [`remove`] does.
pub fn empty(path: &Path, limit: Duration) -> io::Result<()> {
    let top = rustix::fs::open(path, OPEN, Mode::empty())?;
    Emptying { top, deadline: Instant::now() + limit, serial: 0, first_error: None }.run()
}

/// A directory that is being emptied.
struct Emptying {
    top: OwnedFd,
    deadline: Instant,
    /// The counter for the names of directories that move to the top.
    serial: u64,
    /// The first error about an entry that stays.
    first_error: Option<Errno>,
}

impl Emptying {
    fn run(mut self) -> io::Result<()> {
        loop {
            self.first_error = None;
            let top = rustix::io::dup(&self.top)?;
            let (mut left, mut gone) = (0_u64, 0_u64);
            for_each_entry(&top, |name| {
                if Instant::now() >= self.deadline {
                    return false;
                }
                if self.entry(name) {
                    gone += 1;
                } else {
                    left += 1;
                }
                true
            })?;
            if Instant::now() >= self.deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match self.first_error {
                _ if left == 0 && gone == 0 => return Ok(()),
                Some(error) if gone == 0 => return Err(error.into()),
                _ => {}
            }
        }
    }

    /// Removes one entry of the top directory. Returns `true` if the entry changed.
    fn entry(&mut self, name: &CString) -> bool {
        let error = match remove_plain(&self.top, name) {
            Ok(()) | Err(Errno::NOENT) => return true,
            Err(Errno::NOTEMPTY | Errno::EXIST) => match self.unpack(name) {
                Ok(true) => return true,
                Ok(false) => Errno::NOTEMPTY,
                Err(error) => error,
            },
            Err(error) => error,
        };
        self.first_error = self.first_error.or(Some(error));
        false
    }

    /// Empties a subdirectory of the top directory, and moves its own subdirectories to the top. Returns
    /// `true` if an entry was moved or removed.
    fn unpack(&mut self, name: &CString) -> rustix::io::Result<bool> {
        let directory = open_own(&self.top, name)?;
        let mut progress = false;
        let read = for_each_entry(&directory, |entry| {
            let done = match remove_plain(&directory, entry) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(Errno::NOTEMPTY | Errno::EXIST) => self.move_up(&directory, entry),
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => progress = true,
                Err(error) => self.first_error = self.first_error.or(Some(error)),
            }
            Instant::now() < self.deadline
        });
        read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        match rustix::fs::unlinkat(&self.top, &**name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(_) => Ok(progress),
        }
    }

    fn move_up(&mut self, directory: &OwnedFd, name: &CString) -> rustix::io::Result<()> {
        loop {
            self.serial += 1;
            let to = format!(".up-{}", self.serial);
            match rustix::fs::renameat_with(directory, &**name, &self.top, &*to, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                // A move of a directory needs write permission on it, since `..` changes.
                Err(Errno::ACCESS) if make_accessible(directory, name).is_ok() => {
                    return rustix::fs::renameat(directory, &**name, &self.top, &*to);
                }
                Err(Errno::INVAL | Errno::NOSYS) => {
                    return rustix::fs::renameat(directory, &**name, &self.top, &*to);
                }
                done => return done,
            }
        }
    }
}

/// Removes a file or an empty directory. Returns `NOTEMPTY` for another directory.
fn remove_plain(parent: impl AsFd, name: &CString) -> rustix::io::Result<()> {
    let parent = parent.as_fd();
    match rustix::fs::unlinkat(parent, &**name, AtFlags::empty()) {
        // unlink(2) of a directory returns EPERM in POSIX and EISDIR on Linux.
        Err(Errno::ISDIR | Errno::PERM) => rustix::fs::unlinkat(parent, &**name, AtFlags::REMOVEDIR),
        done => done,
    }
}

/// Opens a directory to empty it. Makes it accessible first if this process owns it.
fn open_own(parent: impl AsFd, name: &CString) -> rustix::io::Result<OwnedFd> {
    let parent = parent.as_fd();
    let open = || {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        match rustix::fs::openat2(parent, &**name, OPEN, Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM) => {
                let opened = rustix::fs::openat(parent, &**name, OPEN, Mode::empty())?;
                let same = rustix::fs::fstat(&opened)?.st_dev == rustix::fs::fstat(parent)?.st_dev;
                if same { Ok(opened) } else { Err(Errno::XDEV) }
            }
            opened => opened,
        }
    };
    // A directory can be readable and still refuse removals.
    let _ = make_accessible(parent, name);
    open()
}

/// Gives the owner of a directory all permissions. Does not change the target of a symlink.
fn make_accessible(parent: impl AsFd, name: &CString) -> rustix::io::Result<()> {
    let parent = parent.as_fd();
    let found = rustix::fs::statat(parent, &**name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        return Err(Errno::NOTDIR);
    }
    if found.st_mode & 0o700 == 0o700 {
        return Ok(());
    }
    rustix::fs::chmodat(parent, &**name, Mode::RWXU, AtFlags::empty())
}

/// Calls `visit` with each name in a directory except `.` and `..`, until it returns `false`.
fn for_each_entry(directory: &OwnedFd, mut visit: impl FnMut(&CString) -> bool) -> io::Result<()> {
    rustix::fs::seek(directory, SeekFrom::Start(0))?;
    let mut buffer = Vec::with_capacity(READ_AT_ONCE);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_owned();
        let is_link_of_the_directory =
            matches!(OsStr::from_bytes(name.as_bytes()).to_str(), Some("." | ".."));
        if !is_link_of_the_directory && !visit(&name) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn deep(path: &Path, levels: u32) {
        let mut directory = rustix::fs::open(path, OPEN, Mode::empty()).unwrap();
        for _ in 0..levels {
            rustix::fs::mkdirat(&directory, "d", Mode::RWXU).unwrap();
            directory = rustix::fs::openat(&directory, "d", OPEN, Mode::empty()).unwrap();
        }
    }

    #[test]
    fn a_tree_of_ten_thousand_levels_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tree");
        fs::create_dir(&path).unwrap();
        deep(&path, 10_000);
        remove(&path, A_MINUTE).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn removal_follows_no_links_and_enters_closed_directories() {
        let folder = tempfile::tempdir().unwrap();
        let (path, precious) = (folder.path().join("tree"), folder.path().join("precious"));
        fs::create_dir_all(path.join("a/b/c")).unwrap();
        fs::create_dir_all(path.join("closed/inner")).unwrap();
        fs::write(path.join("closed/inner/file"), "x").unwrap();
        fs::write(path.join("a/.up-1"), "x").unwrap();
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "x").unwrap();
        symlink(&precious, path.join("a/link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("a/b/fifo"), Mode::RUSR).unwrap();
        for closed in ["closed/inner", "closed"] {
            fs::set_permissions(path.join(closed), Permissions::from_mode(0o000)).unwrap();
        }
        remove(&path, A_MINUTE).unwrap();
        assert!(!path.exists() && precious.join("file").exists());
        remove(&path, A_MINUTE).unwrap();
    }

    #[test]
    fn emptying_keeps_the_directory_and_refuses_symlinks() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("tree"), folder.path().join("link"));
        fs::create_dir_all(path.join("a/b")).unwrap();
        symlink(&path, &link).unwrap();
        assert!(empty(&link, A_MINUTE).is_err());
        empty(&path, A_MINUTE).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        remove(&link, A_MINUTE).unwrap();
        assert!(path.exists() && !link.exists());
    }

    #[test]
    fn a_removal_ends_when_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tree/a/b")).unwrap();
        let error = remove(&folder.path().join("tree"), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
