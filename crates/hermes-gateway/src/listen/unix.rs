//! The Unix socket: only the account of the gateway may connect.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use hermes_core::ProfileName;
use hermes_core::gateway::socket as gateway_socket;
use hermes_core::gateway::socket::NAME;
use hermes_os::file_system;
use hermes_server::Listener;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

use crate::directory::{ProfileDirectory, identity};
use crate::error::GatewayError;
use crate::say::warn;

/// The number of connections that wait in the kernel until they are accepted.
const BACKLOG: i32 = 128;

/// The socket in the file system, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    directory: OwnedFd,
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// The path of the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A place for the socket: an open directory, and its path for messages.
struct Place<'d> {
    directory: BorrowedFd<'d>,
    path: PathBuf,
}

/// Listens at `gateway.sock` in `directory`, mode 0600. If the volume cannot hold sockets, it listens in the gateway's slot. The
/// caller holds the profile's lock, so an existing socket is left from a dead gateway.
///
/// # Errors
/// Another kind of file has the path, or the kernel refuses.
pub(crate) fn bind(
    directory: &ProfileDirectory,
    profile: &ProfileName,
) -> Result<(Listener, SocketFile), GatewayError> {
    let on_volume = Place { directory: directory.as_fd(), path: directory.path().join(NAME) };
    match bind_at(&on_volume) {
        Err(GatewayError::Socket { path, source }) if file_system::is_lacking(&source) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let slot = gateway_socket::slot(profile);
            let Ok(opened) = rustix::fs::open(&slot, flags, Mode::empty()) else {
                return Err(GatewayError::NoSockets { path, source });
            };
            let bound = bind_at(&Place { directory: opened.as_fd(), path: slot.join(NAME) })?;
            warn(format_args!(
                "the file system of {} has no Unix sockets ({source}); the socket is {}",
                path.display(),
                bound.1.path.display()
            ));
            Ok(bound)
        }
        bound => bound,
    }
}

fn bind_at(place: &Place<'_>) -> Result<(Listener, SocketFile), GatewayError> {
    let failed = |source: io::Error| GatewayError::Socket { path: place.path.clone(), source };
    match kind(place) {
        Ok(None) => {}
        Ok(Some(FileType::Socket)) => {
            rustix::fs::unlinkat(place.directory, NAME, AtFlags::empty())
                .map_err(|error| failed(error.into()))?;
        }
        Ok(Some(_)) => return Err(GatewayError::NotASocket { path: place.path.clone() }),
        Err(error) => return Err(failed(error.into())),
    }
    listen(place).map_err(failed)
}

fn kind(place: &Place<'_>) -> rustix::io::Result<Option<FileType>> {
    match rustix::fs::statat(place.directory, NAME, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn listen(place: &Place<'_>) -> io::Result<(Listener, SocketFile)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // An address holds 107 bytes, and HERMES_HOME may be longer. The path through the descriptor is always short.
    let address = format!("/proc/self/fd/{}/{NAME}", place.directory.as_raw_fd());
    rustix::net::bind(&socket, &SocketAddrUnix::new(address.as_str())?)?;
    let stat = rustix::fs::statat(place.directory, NAME, AtFlags::SYMLINK_NOFOLLOW)?;
    // From here on the socket is removed if a step fails.
    let file = SocketFile {
        directory: place.directory.try_clone_to_owned()?,
        path: place.path.clone(),
        identity: identity(&stat),
    };
    // Before `listen` no client can connect, so the umask does not matter.
    rustix::fs::chmodat(place.directory, NAME, Mode::from_raw_mode(0o600), AtFlags::empty())?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((Listener::Unix(UnixListener::from_std(StdListener::from(socket))?), file))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = rustix::fs::statat(&self.directory, NAME, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| identity(&stat) == self.identity);
        if ours && let Err(error) = rustix::fs::unlinkat(&self.directory, NAME, AtFlags::empty()) {
            warn(format_args!("failed to remove {}: {}", self.path.display(), io::Error::from(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks_sockets() -> io::Error {
        Errno::OPNOTSUPP.into()
    }

    #[test]
    fn a_volume_without_sockets_is_a_configuration_error() {
        let socket = |source| GatewayError::NoSockets { path: "/opt/data/gateway.sock".into(), source };
        let hint = socket(lacks_sockets()).hint().unwrap();
        assert!(hint.contains("API_SERVER_PORT"), "{hint}");
        assert!(socket(lacks_sockets()).is_configuration());
    }

    #[tokio::test]
    async fn the_slot_holds_the_socket_with_the_same_mode() {
        use std::os::unix::fs::MetadataExt;

        let folder = tempfile::tempdir().unwrap();
        let opened = std::fs::File::open(folder.path()).unwrap();
        let place = Place { directory: opened.as_fd(), path: folder.path().join(NAME) };
        let (_listener, file) = bind_at(&place).unwrap();
        assert_eq!(file.path().metadata().unwrap().mode() & 0o777, 0o600);
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
    }
}
