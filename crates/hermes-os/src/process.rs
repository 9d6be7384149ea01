//! Facts about a process, from `/proc/PID/stat` and `/proc/PID/status` (proc_pid_stat(5), proc_pid_status(5)), and the protection of
//! its memory.

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

/// Returns the resident memory of the process `pid` in bytes, from `/proc/PID/statm` (proc_pid_statm(5)). Returns `None` if no such
/// process runs.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
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

/// The restrictions of a process that it can never take off, and that its children inherit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restrictions {
    /// seccomp filters its system calls.
    pub is_filtered: bool,
    /// The number of its seccomp filters. A kernel before Linux 5.9 does not tell it.
    pub filters: Option<u32>,
    /// It cannot get more privileges by execve(2): `no_new_privs`.
    pub no_new_privs: bool,
    /// Its first thread has ended.
    pub is_zombie: bool,
}

impl Restrictions {
    /// Reads the restrictions of the process `pid`.
    ///
    /// # Errors
    /// No such process runs, or `/proc` does not show it.
    pub fn of(pid: u32) -> io::Result<Self> {
        let status = fs::read(format!("/proc/{pid}/status"))?;
        Self::parse(&status).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/status has an unknown format"))
        })
    }

    /// Parses the bytes of `/proc/PID/status`. Returns `None` if a field is missing. The kernel escapes newlines in the name of the
    /// program, so a program cannot make a field.
    pub fn parse(status: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(status);
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        Some(Self {
            is_filtered: field("Seccomp")? == "2",
            filters: field("Seccomp_filters").and_then(|count| count.parse().ok()),
            no_new_privs: field("NoNewPrivs")? == "1",
            is_zombie: field("State")?.starts_with(['Z', 'X']),
        })
    }

    /// Returns `true` if this process has a seccomp filter that one with the restrictions `other` lacks.
    pub fn has_more_filters(&self, other: &Self) -> bool {
        match (self.filters, other.filters) {
            (Some(own), Some(others)) => own > others,
            // Without the numbers, the other sign of a sandbox must help.
            _ => self.is_filtered && (!other.is_filtered || self.no_new_privs && !other.no_new_privs),
        }
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
    fn restrictions_are_fields_of_the_status() {
        let status = "Name:\tx\\nSeccomp:\t0\nState:\tS (sleeping)\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";
        let expected =
            Restrictions { is_filtered: true, filters: Some(3), no_new_privs: true, is_zombie: false };
        assert_eq!(Restrictions::parse(status.as_bytes()), Some(expected));
        let of_an_old_kernel = "State:\tZ (zombie)\nNoNewPrivs:\t0\nSeccomp:\t0\n";
        let expected =
            Restrictions { is_filtered: false, filters: None, no_new_privs: false, is_zombie: true };
        assert_eq!(Restrictions::parse(of_an_old_kernel.as_bytes()), Some(expected));
        assert_eq!(Restrictions::parse(b"Name:\tx\n"), None);
        assert!(Restrictions::of(std::process::id()).is_ok_and(|found| !found.is_zombie));
    }

    #[test]
    fn an_old_kernel_compares_the_modes() {
        let of = |is_filtered, no_new_privs| Restrictions {
            is_filtered,
            filters: None,
            no_new_privs,
            is_zombie: false,
        };
        assert!(of(true, true).has_more_filters(&of(false, false)));
        assert!(of(true, true).has_more_filters(&of(true, false)));
        assert!(!of(true, true).has_more_filters(&of(true, true)));
        assert!(!of(true, false).has_more_filters(&of(true, false)));
        assert!(!of(false, true).has_more_filters(&of(false, false)));
    }

    #[test]
    fn the_start_of_this_process_is_constant() {
        let start = ProcessStat::of(std::process::id()).unwrap().start_ticks;
        assert!(start > 0);
        assert_eq!(ProcessStat::of(std::process::id()).unwrap().start_ticks, start);
        assert!(ProcessStat::of(u32::MAX).is_err());
    }
}
