//! The broker: it does system calls in place of the confined processes (seccomp_unotify(2)).
//!
//! Some arguments lie in memory, where a filter does not see them, and a process could change them after a look. So the broker copies
//! the arguments, checks the copy, and does the call with the copy itself. It never lets the kernel go on with the original.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use libc::c_long;
use rustix::io::Errno;

use super::mode_change::{self, Target};
use super::policy::{Network, Policy};
use super::proxy_connection;
use super::system_calls::FCHMODAT2;

/// The bytes of a path at most (PATH_MAX).
const LONGEST_PATH: usize = 4096;

/// The broker of one call.
pub(super) struct Broker {
    listener: OwnedFd,
    network: Network,
    /// The directories whose files may change, as the kernel names them.
    writable: Vec<PathBuf>,
}

impl Broker {
    /// Makes the broker of a call.
    pub(super) fn new(listener: OwnedFd, policy: &Policy) -> Self {
        let writable = policy.writable.iter().filter_map(|path| fs::canonicalize(path).ok());
        Self { listener, network: policy.network, writable: writable.collect() }
    }

    /// Returns the descriptor that is readable if a call waits.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers one call that waits.
    pub(super) fn answer(&self) {
        // The process may have died since.
        let Ok(notification) = receive(self.listener.as_fd()) else { return };
        let caller = Caller { listener: self.listener.as_fd(), notification };
        let error = match self.perform(&caller) {
            Ok(()) => 0,
            Err(error) => -error.raw_os_error(),
        };
        let response = libc::seccomp_notif_resp { id: notification.id, val: 0, error, flags: 0 };
        // A process that died needs no answer.
        let _ = ioctl(self.listener.as_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &mut { response });
    }

    fn perform(&self, caller: &Caller<'_>) -> Result<(), Errno> {
        let argument = |index: usize| caller.notification.data.args.get(index).copied().unwrap_or_default();
        // An `int` is the lower half of a register.
        let int = |index| (argument(index) & u64::from(u32::MAX)) as u32;
        match c_long::from(caller.notification.data.nr) {
            libc::SYS_connect => {
                let Network::Proxy { port } = self.network else { return Err(Errno::ACCESS) };
                let length = usize::try_from(int(2)).unwrap_or_default();
                let address = proxy_connection::parse(&caller.read(argument(1), length.min(28))?)?;
                if address.port() != port || !proxy_connection::is_own_host(address.ip()) {
                    return Err(Errno::ACCESS);
                }
                let descriptor = int(0);
                let flags = caller.flags_of(descriptor)?;
                let socket = proxy_connection::connect(address, flags)?;
                caller.replace(descriptor, &socket, flags)
            }
            libc::SYS_fchmod => self.change_mode(caller, &Target::Descriptor(int(0)), int(1)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chmod => {
                let path = caller.read_path(argument(0))?;
                self.change_mode(caller, &Target::path(libc::AT_FDCWD, path, 0), int(1))
            }
            libc::SYS_fchmodat => {
                let path = caller.read_path(argument(1))?;
                self.change_mode(caller, &Target::path(int(0).cast_signed(), path, 0), int(2))
            }
            FCHMODAT2 => {
                let path = caller.read_path(argument(1))?;
                self.change_mode(caller, &Target::path(int(0).cast_signed(), path, int(3)), int(2))
            }
            _ => Err(Errno::NOSYS),
        }
    }

    fn change_mode(&self, caller: &Caller<'_>, target: &Target, mode: u32) -> Result<(), Errno> {
        let file = target.open(caller.notification.pid)?;
        // The descriptors of a process are looked at by its number, which another process may have by now.
        caller.must_wait()?;
        mode_change::change(&file, mode, &self.writable)
    }
}

/// The process that waits for the answer. It is stopped in its call, but other threads share its memory.
struct Caller<'a> {
    listener: BorrowedFd<'a>,
    notification: libc::seccomp_notif,
}

impl Caller<'_> {
    /// Copies bytes from the memory of the caller.
    fn read(&self, address: u64, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; length];
        // Docker's seccomp profile denies process_vm_readv(2) to an account without privileges.
        let memory = File::open(format!("/proc/{}/mem", self.notification.pid)).map_err(errno)?;
        let read = memory.read_at(&mut bytes, address).map_err(errno)?;
        bytes.truncate(read);
        self.must_wait()?;
        Ok(bytes)
    }

    /// Copies a path from the memory of the caller. It may end before a page that is not mapped.
    fn read_path(&self, address: u64) -> Result<PathBuf, Errno> {
        use std::os::unix::ffi::OsStringExt as _;
        let mut path = Vec::new();
        while path.len() < LONGEST_PATH {
            let at = address + u64::try_from(path.len()).unwrap_or_default();
            // 4096 is the smallest page of all architectures.
            let to_the_page = 4096 - usize::try_from(at % 4096).unwrap_or_default();
            let piece = self.read(at, to_the_page)?;
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                path.extend(piece.get(..end).unwrap_or_default());
                return Ok(PathBuf::from(std::ffi::OsString::from_vec(path)));
            }
            path.extend(piece);
        }
        Err(Errno::NAMETOOLONG)
    }

    /// Returns the flags of a descriptor, as open(2) takes them.
    fn flags_of(&self, descriptor: u32) -> Result<i32, Errno> {
        let path = format!("/proc/{}/fdinfo/{descriptor}", self.notification.pid);
        let text = fs::read_to_string(path).map_err(|_| Errno::BADF)?;
        self.must_wait()?;
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
        flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok()).ok_or(Errno::BADF)
    }

    /// Puts `socket` in the place of a descriptor.
    fn replace(&self, descriptor: u32, socket: &OwnedFd, flags: i32) -> Result<(), Errno> {
        let added = libc::seccomp_notif_addfd {
            id: self.notification.id,
            flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
            srcfd: socket.as_raw_fd().cast_unsigned(),
            newfd: descriptor,
            newfd_flags: (flags & libc::O_CLOEXEC).cast_unsigned(),
        };
        ioctl(self.listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &mut { added })
    }

    /// # Errors
    /// The caller waits no more, so its number may be that of another process.
    fn must_wait(&self) -> Result<(), Errno> {
        ioctl(self.listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut { self.notification.id })
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

fn receive(listener: BorrowedFd<'_>) -> Result<libc::seccomp_notif, Errno> {
    let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
    let mut notification = libc::seccomp_notif { id: 0, pid: 0, flags: 0, data };
    ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &mut notification)?;
    Ok(notification)
}

/// Calls an operation of a listener.
fn ioctl<T>(listener: BorrowedFd<'_>, operation: libc::Ioctl, argument: &mut T) -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "ioctl(2) of a seccomp listener")]
    // SAFETY: each caller passes the type that the operation reads and writes; its size is part of the operation's number.
    let answer = unsafe { libc::ioctl(listener.as_raw_fd(), operation, std::ptr::from_mut(argument)) };
    if answer < 0 { Err(errno(io::Error::last_os_error())) } else { Ok(()) }
}
