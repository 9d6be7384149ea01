//! A process, told apart from a later one with the same PID by its start time: field 22 of `/proc/<pid>/stat`
//! (proc_pid_stat(5)), in clock ticks.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::Pid;
use serde::{Serialize, Serializer};

/// A process and its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ProcessIdentity {
    #[serde(serialize_with = "serialize_pid")]
    pid: Pid,
    start_ticks: u64,
}

impl ProcessIdentity {
    /// Returns the identity of a running process, or `None` if there is no such process.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        let start_ticks = start_ticks(&stat)?;
        Some(Self { pid, start_ticks })
    }

    /// Writes the identity to a file, as `<pid> <start_ticks>`.
    pub(crate) fn write(self, path: &str) -> Result<()> {
        fs::write(path, format!("{} {}\n", self.pid.as_raw_nonzero(), self.start_ticks))
            .with_context(|| format!("failed to write {path}"))
    }

    /// Returns the identity that [`write`](Self::write) recorded, if that process still runs.
    pub(crate) fn read_alive(path: impl AsRef<Path>) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (pid, start_ticks) = text.trim_end().split_once(' ')?;
        let pid = Pid::from_raw(pid.parse().ok().filter(|&pid| pid > 0)?)?;
        let recorded = Self { pid, start_ticks: start_ticks.parse().ok()? };
        (Self::of(pid) == Some(recorded)).then_some(recorded)
    }

    pub(crate) fn pid(self) -> Pid {
        self.pid
    }
}

fn serialize_pid<S: Serializer>(pid: &Pid, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_i32(pid.as_raw_nonzero().get())
}

/// Returns field 22. Counts from the last `)`, since the name in field 2 may hold any byte.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let fields = std::str::from_utf8(&stat[after_name..]).ok()?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_parsed_after_any_process_name() {
        let stat = b"7 (a) 1 2 (b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 2 3";
        assert_eq!(start_ticks(stat), Some(4711));
    }

    #[test]
    fn record_with_another_start_time_is_not_alive() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let me = ProcessIdentity::of(rustix::process::getpid()).unwrap();
        me.write(path).unwrap();
        assert_eq!(ProcessIdentity::read_alive(path), Some(me));
        ProcessIdentity { start_ticks: me.start_ticks + 1, ..me }.write(path).unwrap();
        assert_eq!(ProcessIdentity::read_alive(path), None);
    }
}
