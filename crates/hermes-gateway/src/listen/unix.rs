//! The socket in the profile's directory: only the account of the gateway may connect.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

use super::Listener;
use crate::directory::{ProfileDirectory, identity};
use crate::error::GatewayError;
use crate::say::warn;

/// Its name in the directory; the path as a whole is `Home::gateway_socket`.
const NAME: &str = "gateway.sock";

/// How many connections wait in the kernel until they are taken.
const BACKLOG: i32 = 128;

/// The socket in the file system, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    directory: OwnedFd,
    path: PathBuf,
    identity: (u64, u64),
}

/// Serves at `gateway.sock` in `directory`, mode 0600. Whoever calls holds the profile's lock, so a socket that is there already
/// is a dead gateway's.
///
/// # Errors
/// Something else lies there, or the kernel refuses.
pub(crate) fn bind(directory: &ProfileDirectory) -> Result<(Listener, SocketFile), GatewayError> {
    let path = directory.path().join(NAME);
    match kind(directory) {
        Ok(None) => {}
        Ok(Some(FileType::Socket)) => {
            rustix::fs::unlinkat(directory, NAME, AtFlags::empty())
                .map_err(|error| GatewayError::Socket { path: path.clone(), source: error.into() })?;
        }
        Ok(Some(_)) => return Err(GatewayError::NotASocket { path }),
        Err(error) => return Err(GatewayError::Socket { path, source: error.into() }),
    }
    listen(directory, &path).map_err(|source| GatewayError::Socket { path, source })
}

fn kind(directory: &ProfileDirectory) -> rustix::io::Result<Option<FileType>> {
    match rustix::fs::statat(directory, NAME, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn listen(directory: &ProfileDirectory, path: &std::path::Path) -> io::Result<(Listener, SocketFile)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // An address holds 107 bytes, and HERMES_HOME may be longer. The way through the descriptor is always short.
    let address = format!("/proc/self/fd/{}/{NAME}", directory.as_fd().as_raw_fd());
    rustix::net::bind(&socket, &SocketAddrUnix::new(address.as_str())?)?;
    // Before `listen` nobody can connect, whatever the umask made of the mode.
    rustix::fs::chmodat(directory, NAME, Mode::from_raw_mode(0o600), AtFlags::empty())?;
    let stat = rustix::fs::statat(directory, NAME, AtFlags::SYMLINK_NOFOLLOW)?;
    let file = SocketFile {
        directory: directory.as_fd().try_clone_to_owned()?,
        path: path.to_owned(),
        identity: identity(&stat),
    };
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((Listener::Unix(UnixListener::from_std(StdListener::from(socket))?), file))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = rustix::fs::statat(&self.directory, NAME, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| identity(&stat) == self.identity);
        if ours && let Err(error) = rustix::fs::unlinkat(&self.directory, NAME, AtFlags::empty()) {
            warn(format_args!("remove {}: {}", self.path.display(), io::Error::from(error)));
        }
    }
}
