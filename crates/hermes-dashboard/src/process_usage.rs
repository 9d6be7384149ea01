//! The memory and the processor time of a process, from `/proc` (proc(5)).

use std::time::Instant;

use hermes_os::process::{ProcessStat, resident_bytes};

/// The usage of a process at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// Resident memory, in bytes.
    pub(crate) memory_bytes: u64,
    /// Time on a processor since its start, in seconds.
    pub(crate) cpu_seconds: f64,
    /// When it started, in clock ticks after the boot of the machine: with the PID it names the process.
    started: u64,
    at: Instant,
}

impl Usage {
    /// Reads the usage of the process `pid`. Returns `None` if it does not exist.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = ProcessStat::of(pid).ok()?;
        Some(Self {
            memory_bytes: resident_bytes(pid)?,
            cpu_seconds: (stat.user_ticks + stat.system_ticks) as f64
                / rustix::param::clock_ticks_per_second() as f64,
            started: stat.start_ticks,
            at: Instant::now(),
        })
    }

    /// Returns the share of one processor since an earlier usage of the same process, in percent.
    pub(crate) fn percent_since(&self, earlier: &Self) -> Option<f64> {
        let passed = self.at.checked_duration_since(earlier.at)?.as_secs_f64();
        if self.started != earlier.started || passed < 0.2 {
            return None;
        }
        Some(((self.cpu_seconds - earlier.cpu_seconds) / passed * 100.0).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_process_has_no_usage() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.memory_bytes > 100_000, "{usage:?}");
        assert_eq!(Usage::of(u32::MAX), None);
    }

    #[test]
    fn the_share_needs_two_usages_of_one_process() {
        let earlier = Usage { memory_bytes: 1, cpu_seconds: 1.0, started: 5, at: Instant::now() };
        let at = earlier.at + std::time::Duration::from_secs(2);
        let later = Usage { cpu_seconds: 1.5, at, ..earlier };
        assert_eq!(later.percent_since(&earlier), Some(25.0));
        assert_eq!(Usage { started: 6, ..later }.percent_since(&earlier), None);
        assert_eq!(earlier.percent_since(&later), None);
    }
}
