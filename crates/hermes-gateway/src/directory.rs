//! The directory of the profile, held open, so that it is known when it is no longer the one at its path.

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
    /// That of the profile that `options` name.
    ///
    /// # Errors
    /// It is not there, or cannot be entered.
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

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is gone from its path: removed, renamed, or another one is there by now. A file system that does not answer is
    /// not taken for an empty one.
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

/// What tells one file from any other that exists at the same time: device and inode.
pub(crate) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}
