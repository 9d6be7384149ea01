//! Facts about a process, from `/proc/PID/stat` (proc_pid_stat(5)), and the protection of its memory.

use std::fs;
use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Closes the memory and the environment of this process to other processes of its account (PR_SET_DUMPABLE).
///
/// # Errors
/// The kernel refuses it. It refuses it to no process that asks for this value.
pub fn close_to_the_account() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// The fields of `/proc/PID/stat` that the product uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// The PID of the parent; 0 if the parent is outside the PID namespace.
    pub parent_pid: u32,
    /// The time on a processor in user mode, in clock ticks.
    pub user_ticks: u64,
    /// The time on a processor in kernel mode, in clock ticks.
    pub system_ticks: u64,
    /// The start, in clock ticks after the boot of the machine. Together with the PID it identifies a process.
    pub start_ticks: u64,
}

impl ProcessStat {
    /// Reads the facts of the process `pid`.
    ///
    /// # Errors
    /// No such process runs, or `/proc` is not mounted.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&stat).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat has an unknown format"))
        })
    }

    /// Parses the bytes of `/proc/PID/stat`. Returns `None` if they have another format. The second field is the
    /// name of the program in parentheses. It may hold any byte, so the fields are counted from the last
    /// parenthesis.
    pub fn parse(stat: &[u8]) -> Option<Self> {
        let name_end = stat.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first field after the name is field 3.
        let field = |number: usize| fields.get(number - 3);
        let number = |number: usize| field(number)?.parse().ok();
        Some(Self {
            parent_pid: field(4)?.parse().ok()?,
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            start_ticks: number(22)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_after_a_name_with_parentheses() {
        let stat = b"17 (a) b) (c) S 1 17 17 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 98765 1000 200\n";
        let expected = ProcessStat { parent_pid: 1, user_ticks: 250, system_ticks: 50, start_ticks: 98765 };
        assert_eq!(ProcessStat::parse(stat), Some(expected));
        assert_eq!(ProcessStat::parse(b""), None);
        assert_eq!(ProcessStat::parse(b"17 (x) S 1"), None);
    }

    #[test]
    fn the_start_of_this_process_is_constant() {
        let start = ProcessStat::of(std::process::id()).unwrap().start_ticks;
        assert!(start > 0);
        assert_eq!(ProcessStat::of(std::process::id()).unwrap().start_ticks, start);
        assert!(ProcessStat::of(u32::MAX).is_err());
    }
}
