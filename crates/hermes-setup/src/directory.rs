//! Directories that are held open, and lookups in them that follow no symlink. The account may rename or swap files meanwhile; a
//! change still reaches the very file that the lookup found.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, StatxAttributes, StatxFlags, Uid,
};
use rustix::io::Errno;

/// The owner and the group of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The UID of the owner.
    pub uid: u32,
    /// The GID of the group.
    pub gid: u32,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// The facts that the kernel reports about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: FileType,
    pub(crate) owner: Owner,
    pub(crate) mode: u32,
    pub(crate) links: u64,
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    /// Tells if something is mounted here. `None` if the kernel (before 5.8) does not report it.
    pub(crate) is_mount: Option<bool>,
}

impl Facts {
    pub(crate) fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }
}

/// A directory that is held open.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The failure to open a directory.
#[derive(Debug)]
pub(crate) struct OpenError {
    /// The part of the path up to the step that failed.
    pub(crate) path: PathBuf,
    pub(crate) error: Errno,
}

const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// The rules for paths in a directory of the volume.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_XDEV);

impl Directory {
    /// Opens `/`.
    pub(crate) fn root() -> rustix::io::Result<Self> {
        Ok(Self(rustix::fs::open("/", OPEN, Mode::empty())?))
    }

    /// Opens the directory at an absolute path. No step of the path may be a symlink.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let mut so_far = PathBuf::from("/");
        let mut directory = Self::root().map_err(|error| OpenError { path: so_far.clone(), error })?;
        for name in steps_of(path) {
            so_far.push(name);
            directory = directory.step(name).map_err(|error| OpenError { path: so_far.clone(), error })?;
        }
        Ok(directory)
    }

    /// Opens the directory `name` in this one, which may be a mount point. A symlink is `LOOP` or `NOTDIR`.
    pub(crate) fn step(&self, name: &OsStr) -> rustix::io::Result<Self> {
        self.open_beneath(name, ResolveFlags::NO_SYMLINKS)
    }

    /// Opens the directory `name` in this one, on the same mount. A symlink is `LOOP` or `NOTDIR`, a mount point `XDEV`.
    pub(crate) fn child(&self, name: &OsStr) -> rustix::io::Result<Self> {
        self.open_beneath(name, BENEATH)
    }

    /// Opens one name, openat2(2). Linux before 5.6, and some sandboxes, do not know the call. There, `NOFOLLOW` and the check of the
    /// name do the same, except for mount points, which every caller checks first.
    fn open_beneath(&self, name: &OsStr, resolve: ResolveFlags) -> rustix::io::Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        if name.is_empty() || name == ".." || name.as_bytes().contains(&b'/') {
            return Err(Errno::INVAL);
        }
        let opened = match rustix::fs::openat2(&self.0, name, OPEN, Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(&self.0, name, OPEN, Mode::empty()),
            opened => opened,
        };
        opened.map(Self)
    }

    /// Returns the facts about `name` in this directory, without following a symlink. Returns `None` if it does not exist.
    pub(crate) fn look(&self, name: impl rustix::path::Arg) -> rustix::io::Result<Option<Facts>> {
        match facts(self.0.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(facts) => Ok(Some(facts)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the facts about this directory.
    pub(crate) fn facts(&self) -> rustix::io::Result<Facts> {
        facts(self.0.as_fd(), "", AtFlags::EMPTY_PATH)
    }

    /// Calls `visit` with each name except `.` and `..`, until it breaks off. Memory does not grow with the directory.
    pub(crate) fn for_each(
        &self,
        mut visit: impl FnMut(&OsStr) -> ControlFlow<()>,
    ) -> rustix::io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        rustix::fs::seek(&self.0, SeekFrom::Start(0))?;
        let mut buffer = Vec::with_capacity(READ_AT_ONCE);
        let mut entries = RawDir::new(&self.0, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") && visit(OsStr::from_bytes(name)).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Creates the directory `name`. Returns `false` if it existed before.
    pub(crate) fn make(&self, name: impl rustix::path::Arg, mode: u32) -> rustix::io::Result<bool> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(mode)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives `name` to `owner` if it is still the file that `expected` describes. Holds the file open while it compares. Fails with
    /// `STALE` if it is another file.
    pub(crate) fn give(
        &self,
        name: impl rustix::path::Arg,
        expected: &Facts,
        owner: Owner,
    ) -> rustix::io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        let found = facts(held.as_fd(), "", AtFlags::EMPTY_PATH)?;
        let same = |facts: &Facts| (facts.device, facts.inode, facts.owner);
        // It may have a second name by now. The links of a directory are those of its subdirectories.
        let has_one_name = found.is_directory() || found.links == 1;
        if same(&found) != same(expected) || !has_one_name {
            return Err(Errno::STALE);
        }
        chown(held.as_fd(), owner)
    }

    /// Gives the directory itself to `owner`.
    pub(crate) fn give_itself(&self, owner: Owner) -> rustix::io::Result<()> {
        chown(self.0.as_fd(), owner)
    }

    /// Sets the permission bits of the directory itself.
    pub(crate) fn set_mode(&self, mode: u32) -> rustix::io::Result<()> {
        rustix::fs::fchmod(&self.0, Mode::from_raw_mode(mode))
    }

    /// Reads the regular file `name` of at most `limit` bytes. Returns `None` for any other file.
    pub(crate) fn read_small(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::empty()).ok()?;
        let facts = facts(file.as_fd(), "", AtFlags::EMPTY_PATH).ok()?;
        if facts.kind != FileType::RegularFile {
            return None;
        }
        let mut bytes = Vec::new();
        File::from(file).take(limit + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= limit).then_some(bytes)
    }

    /// Tells if the directory is empty, apart from entries that a file system makes itself.
    pub(crate) fn is_empty(&self) -> rustix::io::Result<bool> {
        let mut is_empty = true;
        self.for_each(|name| {
            is_empty = name == "lost+found";
            if is_empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(is_empty)
    }
}

/// The size of the buffer for getdents64(2), in bytes.
const READ_AT_ONCE: usize = 16 * 1024;

/// Returns the names on an absolute path, without `/`.
pub(crate) fn steps_of(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn chown(held: BorrowedFd<'_>, owner: Owner) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    rustix::fs::chownat(held, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
}

fn facts(at: BorrowedFd<'_>, name: impl rustix::path::Arg, flags: AtFlags) -> rustix::io::Result<Facts> {
    let name = name.into_c_str()?;
    match rustix::fs::statx(at, name.as_ref(), flags | AtFlags::NO_AUTOMOUNT, StatxFlags::BASIC_STATS) {
        Ok(found) => Ok(Facts {
            kind: FileType::from_raw_mode(found.stx_mode.into()),
            owner: Owner { uid: found.stx_uid, gid: found.stx_gid },
            mode: u32::from(found.stx_mode) & 0o7777,
            links: found.stx_nlink.into(),
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            is_mount: found
                .stx_attributes_mask
                .contains(StatxAttributes::MOUNT_ROOT)
                .then(|| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        }),
        // Kernels before 4.11 have no statx, and sandboxes of that time answer EPERM to unknown calls.
        Err(Errno::NOSYS | Errno::PERM) => {
            let found = rustix::fs::statat(at, name.as_ref(), flags)?;
            let device = found.st_dev;
            Ok(Facts {
                kind: FileType::from_raw_mode(found.st_mode),
                owner: Owner { uid: found.st_uid, gid: found.st_gid },
                mode: found.st_mode & 0o7777,
                links: found.st_nlink as u64,
                device: (rustix::fs::major(device), rustix::fs::minor(device)),
                inode: found.st_ino,
                is_mount: None,
            })
        }
        Err(error) => Err(error),
    }
}
