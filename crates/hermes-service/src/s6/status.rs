//! The state of one slot, from `supervise/status`: what s6-svstat(1) reads.
//!
//! Read here and not through that program, since whoever looks at a thousand slots would start a thousand of them. The format is
//! that of `s6_svstatus_pack` (s6's `src/libs6/s6_svstatus_pack.c`); the tests hold it against s6-svstat itself.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;

/// A slot as s6 sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlotState {
    /// The process runs.
    pub up: bool,
    /// s6 was told, or decided by itself, that it should.
    pub wanted_up: bool,
    /// There is no `down` file: it starts by itself.
    pub normally_up: bool,
    /// It said that it is ready. One that cannot say so never is.
    pub ready: bool,
    /// Its PID while it is up.
    pub pid: Option<u32>,
    /// For how long it has been up, or down, in whole seconds.
    #[serde(rename = "for_seconds", serialize_with = "as_seconds")]
    pub since: Duration,
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// Why the state of a slot is not known.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// No `s6-supervise` has the slot.
    #[error("nothing supervises {}", .0.display())]
    NotSupervised(PathBuf),
    /// The file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another s6 than this was made for wrote it.
    #[error("{} has {length} bytes, which no known version of s6 writes", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// How long it is.
        length: usize,
    },
}

/// The time stamps of s6 are TAI64N labels: seconds from 1970 TAI, of which UTC is this many behind (skalibs' table ends there).
const TAI_AHEAD_OF_UTC: u64 = 37;
/// What a label begins to count at.
const TAI64_EPOCH: u64 = 1 << 62;

/// Two stamps of 12 bytes, the PID in 8, the status of the last process in 2, the flags in 1. From 2.12 on the process group
/// stands behind the PID, in 8.
const LENGTHS: [usize; 2] = [35, 43];

const FINISHING: u8 = 1 << 1;
const WANTED_UP: u8 = 1 << 2;
const READY: u8 = 1 << 3;

/// The state of the slot in `directory`.
///
/// # Errors
/// Nothing supervises it, or its state cannot be read.
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

/// Whether an `s6-supervise` listens to the slot: what s6-svok(1) tests.
pub(super) fn is_supervised(directory: &Path) -> bool {
    open_control(&directory.join("supervise/control")).is_ok()
}

/// Whether an `s6-svscan` runs on the scan directory. Where its FIFO cannot be opened for another reason than that nobody reads it,
/// it does: what it is then told fails with that reason.
pub(super) fn is_scanned(scandir: &Path) -> bool {
    !matches!(open_svscan_control(scandir), Err(Errno::NXIO | Errno::NOENT))
}

/// Returns whether an `s6-svscan` reads the FIFO of the scan directory, s6-svscanctl(8). Unlike `is_scanned`, any doubt means no.
pub fn is_surely_scanned(scandir: &Path) -> bool {
    open_svscan_control(scandir).is_ok()
}

fn open_svscan_control(scandir: &Path) -> Result<OwnedFd, Errno> {
    open_control(&scandir.join(".s6-svscan/control"))
}

/// Opens the FIFO of a program of s6's: without a reader, none can be opened to be written at once.
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
    // A clock that was set back would give a time in the future: then it is none.
    let since = now.duration_since(UNIX_EPOCH + Duration::from_secs(changed)).unwrap_or_default();
    Some(SlotState {
        up,
        wanted_up: flags & WANTED_UP != 0,
        normally_up,
        ready: up && flags & READY != 0,
        pid: up.then_some(pid),
        since: Duration::from_secs(since.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of s6 2.13.1, up.
    const UP: &str = "400000006b05746a08fa6ae1400000006b05746a08d64c3a000000000000000c000000000000000c000004";
    /// Of s6 2.11.3, down by SIGTERM.
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
    fn what_s6_wrote_is_understood() {
        let up = parse(&bytes(UP), true, later()).unwrap();
        let expected = SlotState {
            up: true,
            wanted_up: true,
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
            wanted_up: false,
            normally_up: false,
            ready: false,
            pid: None,
            since: Duration::from_secs(6),
        };
        assert_eq!(parse(&down, false, later()).unwrap(), expected);
    }

    #[test]
    fn a_finish_script_that_runs_is_not_the_service() {
        let mut finishing = bytes(UP);
        *finishing.last_mut().unwrap() = FINISHING | WANTED_UP;
        let state = parse(&finishing, true, later()).unwrap();
        assert!(!state.up && state.wanted_up && state.pid.is_none());
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_time_before_the_start() {
        assert_eq!(parse(&bytes(UP), true, UNIX_EPOCH).unwrap().since, Duration::ZERO);
    }

    #[test]
    fn anything_else_is_not_guessed_at() {
        for odd in [Vec::new(), vec![0; 35], vec![0xff; 43], bytes(UP)[..42].to_vec(), vec![0; 64]] {
            assert_eq!(parse(&odd, true, later()), None, "{odd:?}");
        }
    }

    #[test]
    fn a_slot_that_nothing_listens_to_is_not_supervised() {
        let folder = tempfile::tempdir().unwrap();
        let error = slot_state(folder.path(), later()).unwrap_err();
        assert!(matches!(error, StatusError::NotSupervised(_)), "{error}");
    }
}
