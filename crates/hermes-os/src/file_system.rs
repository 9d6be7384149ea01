//! The abilities of the file system that holds the volume. A local disk has all of them. SMB, NFS without a lock daemon, desktop mounts
//! and FUSE may lack some.
//!
//! [`probe`] tries each ability in a hidden directory that it removes. The boot reports the result, and so does `hermes doctor`. The code
//! that needs an ability does not ask first: it tries, and goes another way if the kernel says that the ability is not there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Something that a file system can do or cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// A Unix socket.
    Sockets,
    /// A lock on a file, `flock(2)`.
    Locks,
    /// A rename that replaces a file.
    RenameOver,
    /// A change of the owner.
    Chown,
    /// A change of the permission bits that stays.
    Chmod,
    /// A write that waits for the disk, `fsync(2)`.
    Sync,
}

impl Ability {
    /// The words for a person: "the file system has no …".
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

    /// The consequence of its absence, as one sentence without a full stop.
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

    /// Tells if nothing works without it.
    pub fn is_needed(self) -> bool {
        self == Self::RenameOver
    }
}

/// An ability that is not there.
#[derive(Debug)]
pub struct Lack {
    /// The ability.
    pub ability: Ability,
    /// The answer of the kernel.
    pub error: io::Error,
}

/// Tells if the kernel says with this error that the file system lacks the ability, rather than that this call was wrong.
///
/// It says `EPERM` for a call that the file system does not implement (mknod(2), chmod(2), chown(2)), and for a call that this process
/// may not make. The callers own the files that they try it on, so only the first case is left.
pub fn is_lacking(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        matches!(
            errno,
            Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::NOLCK | Errno::NXIO
        )
    })
}

/// Waits until the disk has the file, on a file system that can.
///
/// # Errors
/// The disk failed. A file system without fsync(2) is no error.
pub fn sync(file: &File) -> io::Result<()> {
    file.sync_all().or_else(|error| if is_lacking(&error) { Ok(()) } else { Err(error) })
}

/// Sets the permission bits, on a file system that has any.
///
/// # Errors
/// The kernel refuses. A file system with one mode for all files is no error.
pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let set = file.set_permissions(std::fs::Permissions::from_mode(mode));
    set.or_else(|error| if is_lacking(&error) { Ok(()) } else { Err(error) })
}

/// Tries all abilities in a new hidden directory in `home`, and returns those that are not there.
///
/// # Errors
/// The directory or the files in it cannot be made: the volume is full, read-only, or not this user's.
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
    // An address holds 107 bytes, and the path of the volume may be longer.
    let directory = File::open(place)?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&directory);
    UnixListener::bind(format!("/proc/self/fd/{fd}/socket")).map(drop)
}

fn lock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Gives the file to the user that has it, which nothing but the file system can refuse.
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

/// The hidden directory, removed with everything in it.
struct Place(PathBuf);

impl Place {
    fn create(home: &Path) -> io::Result<Self> {
        for number in 0..100 {
            let path = home.join(format!(".probe-{}-{number}", process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                // A process with this PID was killed at work, perhaps in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The next probe takes another name, and nobody lists hidden directories.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_disk_lacks_nothing_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let lacks = probe(&deep).unwrap();
        assert!(lacks.is_empty(), "{lacks:?}");
        assert_eq!(std::fs::read_dir(&deep).unwrap().count(), 0);
    }

    #[test]
    fn a_full_or_busy_disk_is_not_taken_for_a_lack() {
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
    fn a_volume_that_takes_nothing_is_an_error_and_no_lack() {
        let missing = probe(Path::new("/no/such/volume")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
