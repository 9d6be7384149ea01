//! The process at the other end of a connected Unix socket (unix(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::process::Restrictions;

/// SO_PEERPIDFD of unix(7), since Linux 6.5. The libraries lack it for some targets.
const SO_PEERPIDFD: libc::c_int = 77;

/// The process that connected a Unix socket.
#[derive(Debug)]
pub enum Peer {
    /// It runs outside of this PID namespace: in another container, or on the machine.
    Elsewhere,
    /// It has ended. Another process may hold the socket now.
    Ended,
    /// It runs.
    Runs {
        /// Its PID.
        pid: u32,
        /// The user that connected.
        uid: u32,
        /// Its restrictions. An error if `/proc` does not show them.
        restrictions: io::Result<Restrictions>,
    },
}

impl Peer {
    /// Looks at the process that connected `socket`.
    ///
    /// A PID that a new process has meanwhile is noticed: a descriptor of the process (pidfd_open(2)) shows that it still runs. On a
    /// kernel before Linux 6.5 this holds from the call on, and not from the connection on.
    ///
    /// # Errors
    /// `socket` is no connected Unix socket, or this process has no descriptor left for the look: see [`lacks_descriptors`].
    pub fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let credentials = credentials(socket)?;
        let Some(pid) = Pid::from_raw(credentials.pid) else { return Ok(Self::Elsewhere) };
        let process = match descriptor(socket) {
            Ok(process) => Some(process),
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                match pidfd_open(pid, PidfdFlags::empty()) {
                    Ok(process) => Some(process),
                    Err(Errno::SRCH) => return Ok(Self::Ended),
                    Err(error @ (Errno::MFILE | Errno::NFILE)) => return Err(error.into()),
                    // A kernel before Linux 5.3, or a filter that does not know the call.
                    Err(_) => None,
                }
            }
            Err(error) if lacks_descriptors(&error) => return Err(error),
            // A process that has ended has no descriptor.
            Err(_) => return Ok(Self::Ended),
        };
        let number = credentials.pid.cast_unsigned();
        let restrictions = match Restrictions::of(number) {
            Err(error) if lacks_descriptors(&error) => return Err(error),
            found => found,
        };
        let has_ended = process.is_some_and(|process| has_ended(process.as_fd()));
        // A process whose first thread has ended shows nothing about the others.
        if has_ended || restrictions.as_ref().is_ok_and(|found| found.is_zombie) {
            return Ok(Self::Ended);
        }
        Ok(Self::Runs { pid: number, uid: credentials.uid, restrictions })
    }
}

/// Returns `true` if a look at a peer failed for lack of descriptors. It needs two at one time.
pub fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Tells whether the process of a descriptor has ended.
fn has_ended(process: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(&process, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Returns the credentials at the time of the connection. rustix has no value for the PID 0.
fn credentials(socket: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    option(socket, libc::SO_PEERCRED, &mut found)?;
    Ok(found)
}

/// Returns the descriptor of the process that connected.
fn descriptor(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut found: libc::c_int = -1;
    option(socket, SO_PEERPIDFD, &mut found)?;
    if found < 0 {
        return Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT));
    }
    #[expect(unsafe_code, reason = "getsockopt(2) returns a descriptor as a number")]
    // SAFETY: the kernel has just made the descriptor for this caller, and nothing else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(found) })
}

/// Reads an option of a socket (getsockopt(2)) whose value has the type `T`.
fn option<T: Copy>(socket: BorrowedFd<'_>, name: libc::c_int, value: &mut T) -> io::Result<()> {
    let size = size_of::<T>();
    let mut length = libc::socklen_t::try_from(size).unwrap_or_default();
    #[expect(unsafe_code, reason = "getsockopt(2) of options that rustix lacks")]
    // SAFETY: the kernel writes `length` bytes at most, the size of the value. The callers use types of plain numbers, for which all
    // bytes are valid.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            std::ptr::from_mut(value).cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    if length as usize == size { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_peer_of_this_process_is_itself() {
        let (one, _other) = UnixStream::pair().unwrap();
        match Peer::of(one.as_fd()).unwrap() {
            Peer::Runs { pid, uid, restrictions } => {
                assert_eq!(pid, std::process::id());
                assert_eq!(uid, rustix::process::geteuid().as_raw());
                assert_eq!(restrictions.unwrap(), Restrictions::of(pid).unwrap());
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_process_that_has_ended_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut client = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "peer::tests::client", "--nocapture"])
            .env("TEST_SOCKET", &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (connection, _) = listener.accept().unwrap();
        assert!(client.wait().unwrap().success());
        assert!(matches!(Peer::of(connection.as_fd()).unwrap(), Peer::Ended));
    }

    #[test]
    #[ignore = "the client that a test here starts, not a test"]
    fn client() {
        UnixStream::connect(std::env::var_os("TEST_SOCKET").unwrap()).unwrap();
    }

    #[test]
    fn other_descriptors_are_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(Peer::of(file.as_fd()).is_err());
    }
}
