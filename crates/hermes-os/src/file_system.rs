//! The abilities of the file system of the volume. A local disk has all of them. SMB, NFS without a lock
//! daemon, desktop mounts and FUSE may lack some.
//!
//! [`probe`] tries each ability in a hidden directory that it removes. The boot and `hermes doctor` report
//! the result. Code that needs an ability does not ask first. It tries, and takes another way if the kernel
//! reports that the ability is missing.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// An ability that a file system may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Unix sockets (unix(7)).
    Sockets,
    /// Locks on files (flock(2)).
    Locks,
    /// Renames that replace a file (rename(2)).
    RenameOver,
    /// Changes of the owner (chown(2)).
    Chown,
    /// Changes of the permission bits that stay (chmod(2)).
    Chmod,
    /// Writes that wait for the disk (fsync(2)).
    Sync,
}

impl Ability {
    /// Returns the words for a person, as in "the file system has no …".
    pub fn noun(self) -> &'static str {
        match self {
            Self::Sockets => "Unix sockets",
            Self::Locks => "file locks",
            Self::RenameOver => "rename that replaces a file",
            Self::Chown => "change of owners",
            Self::Chmod => "change of permissions",
            Self::Sync => "fsync",
        }
    }

    /// Returns the consequence of its absence: a sentence without a full stop.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Sockets => "each gateway has its socket in /run/service/gateway-PROFILE/ instead",
            Self::Locks => {
                "locks lie in /run instead and hold in this container alone; let no other container use this volume at the \
                 same time"
            }
            Self::RenameOver => "nothing that agents or commands change can be kept",
            Self::Chown => "files keep the owner that the mount gives them",
            Self::Chmod => {
                "files with secrets have the permissions that the mount gives them, and others may read them"
            }
            Self::Sync => "a loss of power may lose changes of the last seconds",
        }
    }

    /// Returns `true` if hermes does not work without it.
    pub fn is_needed(self) -> bool {
        self == Self::RenameOver
    }
}

/// A missing ability.
#[derive(Debug)]
pub struct Lack {
    /// The ability.
    pub ability: Ability,
    /// The error of the system call.
    pub error: io::Error,
}

/// Returns `true` if the error means that the file system lacks an ability, and not that this call was wrong.
///
/// `EPERM` means that the file system does not implement the call (mknod(2), chmod(2), chown(2)), or that
/// this process may not make it. The callers own the files, so only the first case remains.
pub fn is_lacking(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        matches!(
            errno,
            Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::NOLCK | Errno::NXIO
        )
    })
}

/// Waits until the file is on the disk.
///
/// # Errors
/// Fails if the disk fails. Succeeds on a file system without fsync(2).
pub fn sync(file: &File) -> io::Result<()> {
    file.sync_all().or_else(|error| if is_lacking(&error) { Ok(()) } else { Err(error) })
}

/// Sets the permission bits.
///
/// # Errors
/// Fails if the kernel refuses. Succeeds on a file system with one mode for all files.
pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let set = file.set_permissions(std::fs::Permissions::from_mode(mode));
    set.or_else(|error| if is_lacking(&error) { Ok(()) } else { Err(error) })
}

/// Tries all abilities in a new hidden directory in `home`, and returns the missing ones.
///
/// # Errors
/// Fails if the directory or its files cannot be created: the volume is full, read-only, or belongs to
/// another user.
pub fn probe(home: &Path) -> io::Result<Vec<Lack>> {
    let place = Place::create(home)?;
    let file = |name: &str| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600).open(place.0.join(name))
    };
    let (mut one, _two) = (file("one")?, file("two")?);
    one.write_all(b"x")?;
    let tried = [
        (Ability::Sockets, bind(&place.0)),
        (Ability::Locks, lock(&one)),
        (Ability::Chown, chown(&one)),
        (Ability::Chmod, chmod(&one)),
        (Ability::Sync, one.sync_all()),
        (Ability::RenameOver, std::fs::rename(place.0.join("one"), place.0.join("two"))),
    ];
    let lacks =
        tried.into_iter().filter_map(|(ability, result)| Some(Lack { ability, error: result.err()? }));
    Ok(lacks.collect())
}

fn bind(place: &Path) -> io::Result<()> {
    // A socket address holds 107 bytes (unix(7)). The path of the volume may be longer.
    let directory = File::open(place)?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&directory);
    UnixListener::bind(format!("/proc/self/fd/{fd}/socket")).map(drop)
}

fn lock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Sets the owner that the file has already. Only the file system can refuse that.
fn chown(file: &File) -> io::Result<()> {
    std::os::unix::fs::fchown(
        file,
        Some(rustix::process::geteuid().as_raw()),
        Some(rustix::process::getegid().as_raw()),
    )
}

fn chmod(file: &File) -> io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(0o640))?;
    let now = file.metadata()?.permissions().mode() & 0o777;
    if now == 0o640 { Ok(()) } else { Err(io::Error::other(format!("the mode stays {now:04o}"))) }
}

/// The hidden directory. It is removed with its content on drop.
struct Place(PathBuf);

impl Place {
    fn create(home: &Path) -> io::Result<Self> {
        for number in 0..100 {
            let path = home.join(format!(".probe-{}-{number}", process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                // A killed process with this PID left the directory, perhaps in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The next probe takes another name, and no command lists hidden directories.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_disk_lacks_nothing_and_keeps_no_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let lacks = probe(&deep).unwrap();
        assert!(lacks.is_empty(), "{lacks:?}");
        assert_eq!(std::fs::read_dir(&deep).unwrap().count(), 0);
    }

    #[test]
    fn a_full_or_busy_disk_is_no_lack() {
        for (errno, expected) in [
            (Errno::NOLCK, true),
            (Errno::OPNOTSUPP, true),
            (Errno::PERM, true),
            (Errno::NOSPC, false),
            (Errno::ACCESS, false),
            (Errno::IO, false),
            (Errno::ROFS, false),
        ] {
            assert_eq!(is_lacking(&errno.into()), expected, "{errno}");
        }
    }

    #[test]
    fn a_missing_volume_is_an_error_and_no_lack() {
        let missing = probe(Path::new("/no/such/volume")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
