//! The state of a slot, from `supervise/status`, the file that s6-svstat(1) reads.
//!
//! hermes reads the file itself, since a list of a thousand slots would start a thousand programs. The format
//! is that of `s6_svstatus_pack` (`src/libs6/s6_svstatus_pack.c` of s6). The tests compare the result with
//! s6-svstat.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;

/// The state of a slot in s6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlotState {
    /// The process runs.
    pub up: bool,
    /// s6 is to run the process, by an order or its own decision.
    pub desired_up: bool,
    /// The slot has no `down` file, so it starts by itself.
    pub normally_up: bool,
    /// The process reported readiness. Stays `false` for a process that cannot report it.
    pub ready: bool,
    /// The PID of the running process.
    pub pid: Option<u32>,
    /// The time since the last start or stop, in whole seconds.
    #[serde(rename = "for_seconds", serialize_with = "as_seconds")]
    pub since: Duration,
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// The reason why the state of a slot is unknown.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// No `s6-supervise` runs on the slot.
    #[error("nothing supervises {}", .0.display())]
    NotSupervised(PathBuf),
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The file has the format of another version of s6.
    #[error("{} has {length} bytes, which no known version of s6 writes", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The length of the file, in bytes.
        length: usize,
    },
}

/// The difference between TAI and UTC, in seconds. s6 writes times as TAI64N labels. The table of skalibs
/// ends with this value.
const TAI_AHEAD_OF_UTC: u64 = 37;
/// The label of 1970 TAI.
const TAI64_EPOCH: u64 = 1 << 62;

/// Two time stamps of 12 bytes, the PID in 8, the status of the last process in 2, and the flags in 1. s6
/// 2.12 added the process group in 8, after the PID.
const LENGTHS: [usize; 2] = [35, 43];

const FINISHING: u8 = 1 << 1;
const DESIRED_UP: u8 = 1 << 2;
const READY: u8 = 1 << 3;

/// Reads the state of the slot in `directory`.
///
/// # Errors
/// Fails if the slot is not supervised, or its state cannot be read.
pub fn slot_state(directory: &Path, now: SystemTime) -> Result<SlotState, StatusError> {
    if !is_supervised(directory) {
        return Err(StatusError::NotSupervised(directory.to_owned()));
    }
    let path = directory.join("supervise/status");
    let mut bytes = [0; 64];
    let read = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::pread(&file, &mut bytes, 0));
    let length = match read {
        Ok(length) => length,
        Err(Errno::NOENT) => return Err(StatusError::NotSupervised(directory.to_owned())),
        Err(error) => return Err(StatusError::Read { path, source: error.into() }),
    };
    let normally_up = !exists(&directory.join("down"));
    parse(&bytes[..length], normally_up, now).ok_or(StatusError::Format { path, length })
}

/// Returns `true` if an `s6-supervise` listens to the slot, as s6-svok(1) checks.
pub(super) fn is_supervised(directory: &Path) -> bool {
    open_control(&directory.join("supervise/control")).is_ok()
}

/// Returns `true` if the slot and its logger are supervised and have written their state. `s6-supervise`
/// listens a moment earlier.
pub(super) fn is_fully_supervised(slot: &Path) -> bool {
    [slot.to_owned(), slot.join("log")]
        .iter()
        .all(|directory| is_supervised(directory) && exists(&directory.join("supervise/status")))
}

/// Returns `true` if an `s6-svscan` runs on the scan directory. Also returns `true` if its FIFO cannot be
/// opened for another reason, since the next order then fails with that reason.
pub(super) fn is_scanned(scandir: &Path) -> bool {
    !matches!(open_svscan_control(scandir), Err(Errno::NXIO | Errno::NOENT))
}

/// Returns `true` if an `s6-svscan` reads the FIFO of the scan directory, s6-svscanctl(8). Unlike
/// `is_scanned`, returns `false` in doubt.
pub fn is_surely_scanned(scandir: &Path) -> bool {
    open_svscan_control(scandir).is_ok()
}

fn open_svscan_control(scandir: &Path) -> Result<OwnedFd, Errno> {
    open_control(&scandir.join(".s6-svscan/control"))
}

/// Opens the FIFO of a program of s6 for writing. Without a reader, this fails at once.
fn open_control(control: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(control, flags, Mode::empty())
}

pub(super) fn exists(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, rustix::fs::Access::EXISTS, rustix::fs::AtFlags::empty()).is_ok()
}

fn parse(bytes: &[u8], normally_up: bool, now: SystemTime) -> Option<SlotState> {
    if !LENGTHS.contains(&bytes.len()) {
        return None;
    }
    let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let changed = number(0)?.checked_sub(TAI64_EPOCH + TAI_AHEAD_OF_UTC)?;
    let pid = u32::try_from(number(24)?).ok()?;
    let flags = *bytes.last()?;
    let up = pid != 0 && flags & FINISHING == 0;
    // After a clock was set back, the time would be in the future. Then it is zero.
    let since = now.duration_since(UNIX_EPOCH + Duration::from_secs(changed)).unwrap_or_default();
    Some(SlotState {
        up,
        desired_up: flags & DESIRED_UP != 0,
        normally_up,
        ready: up && flags & READY != 0,
        pid: up.then_some(pid),
        since: Duration::from_secs(since.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From s6 2.13.1, up.
    const UP: &str = "400000006b05746a08fa6ae1400000006b05746a08d64c3a000000000000000c000000000000000c000004";
    /// From s6 2.11.3, down after SIGTERM.
    const DOWN: &str = "400000006b0574692bbaa0f1400000006b0574692bb52894000000000000000000";

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        (0..hexadecimal.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap())
            .collect()
    }

    fn later() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(0x6b05_746a - 37 + 5)
    }

    #[test]
    fn status_files_of_s6_are_parsed() {
        let up = parse(&bytes(UP), true, later()).unwrap();
        let expected = SlotState {
            up: true,
            desired_up: true,
            normally_up: true,
            ready: false,
            pid: Some(12),
            since: Duration::from_secs(5),
        };
        assert_eq!(up, expected);
        let mut down = bytes(DOWN);
        down.extend([0x0f, 0x08]);
        let expected = SlotState {
            up: false,
            desired_up: false,
            normally_up: false,
            ready: false,
            pid: None,
            since: Duration::from_secs(6),
        };
        assert_eq!(parse(&down, false, later()).unwrap(), expected);
    }

    #[test]
    fn a_running_finish_script_is_not_the_service() {
        let mut finishing = bytes(UP);
        *finishing.last_mut().unwrap() = FINISHING | DESIRED_UP;
        let state = parse(&finishing, true, later()).unwrap();
        assert!(!state.up && state.desired_up && state.pid.is_none());
    }

    #[test]
    fn a_clock_set_back_gives_zero() {
        assert_eq!(parse(&bytes(UP), true, UNIX_EPOCH).unwrap().since, Duration::ZERO);
    }

    #[test]
    fn unknown_formats_are_refused() {
        for odd in [Vec::new(), vec![0; 35], vec![0xff; 43], bytes(UP)[..42].to_vec(), vec![0; 64]] {
            assert_eq!(parse(&odd, true, later()), None, "{odd:?}");
        }
    }

    #[test]
    fn a_slot_without_a_listener_is_not_supervised() {
        let folder = tempfile::tempdir().unwrap();
        let error = slot_state(folder.path(), later()).unwrap_err();
        assert!(matches!(error, StatusError::NotSupervised(_)), "{error}");
    }
}
