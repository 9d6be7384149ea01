//! A process told apart from a later one with the same PID: by its start time,
//! field 22 of `/proc/<pid>/stat` (proc_pid_stat(5)), in clock ticks.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::Pid;
use serde::Serialize;

/// Which process, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ProcessIdentity {
    pub(crate) pid: i32,
    pub(crate) start_ticks: u64,
}

impl ProcessIdentity {
    /// The identity of a process that runs now; `None` when there is none.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let start_ticks = start_ticks(&stat)?;
        Some(Self { pid: pid.as_raw(), start_ticks })
    }

    /// Records it in a file, as `<pid> <start_ticks>`.
    pub(crate) fn write(self, path: &str) -> Result<()> {
        fs::write(path, format!("{} {}\n", self.pid, self.start_ticks))
            .with_context(|| format!("cannot write {path}"))
    }

    /// What [`write`](Self::write) recorded, if that very process still runs.
    pub(crate) fn read_alive(path: impl AsRef<Path>) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (pid, start_ticks) = text.trim_end().split_once(' ')?;
        let recorded = Self { pid: pid.parse().ok()?, start_ticks: start_ticks.parse().ok()? };
        (Self::of(recorded.pid()) == Some(recorded)).then_some(recorded)
    }

    pub(crate) fn pid(self) -> Pid {
        Pid::from_raw(self.pid)
    }
}

/// Field 22. Counted from the last `)`, since the name in field 2 may hold anything.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let fields = std::str::from_utf8(&stat[after_name..]).ok()?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_hostile_name() {
        let stat = b"7 (a) 1 2 (b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 2 3";
        assert_eq!(start_ticks(stat), Some(4711));
    }

    #[test]
    fn a_record_of_another_start_time_is_nobody() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let me = ProcessIdentity::of(nix::unistd::getpid()).unwrap();
        me.write(path).unwrap();
        assert_eq!(ProcessIdentity::read_alive(path), Some(me));
        ProcessIdentity { start_ticks: me.start_ticks + 1, ..me }.write(path).unwrap();
        assert_eq!(ProcessIdentity::read_alive(path), None);
    }
}
