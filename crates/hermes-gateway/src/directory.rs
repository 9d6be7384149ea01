//! The directory of the profile. It is held open, so a removed or replaced directory is noticed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::GatewayError;
use crate::options::Options;

/// The directory that the gateway was started for.
#[derive(Debug)]
pub(crate) struct ProfileDirectory {
    path: PathBuf,
    descriptor: OwnedFd,
    device: u64,
    inode: u64,
}

impl ProfileDirectory {
    /// Opens the directory of the profile that `options` name.
    ///
    /// # Errors
    /// The directory does not exist, or cannot be opened.
    pub(crate) fn open(options: &Options) -> Result<Self, GatewayError> {
        let path = options.home.profile_directory(&options.profile);
        let open_error = |error: Errno| match error {
            Errno::NOENT | Errno::NOTDIR => {
                GatewayError::ProfileGone { profile: options.profile.clone(), path: path.clone() }
            }
            error => GatewayError::Directory { path: path.clone(), source: error.into() },
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(&path, flags, Mode::empty()).map_err(open_error)?;
        let stat = rustix::fs::fstat(&descriptor).map_err(open_error)?;
        let (device, inode) = identity(&stat);
        Ok(Self { path, descriptor, device, inode })
    }

    /// Returns its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether the directory was removed, renamed or replaced. Other errors of the file system do not count as a removal.
    pub(crate) fn is_gone(&self) -> bool {
        match rustix::fs::stat(&self.path) {
            Ok(stat) => identity(&stat) != (self.device, self.inode),
            Err(error) => matches!(
                io::Error::from(error).kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        }
    }
}

impl AsFd for ProfileDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Returns device and inode. They identify a file among all that exist at the same time.
pub(crate) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}
