//! The memory of a process in a container: resident, and its share (PSS).
//!
//! A gateway is not dumpable, so its `smaps_rollup` needs root with `CAP_SYS_PTRACE`. The builder of the container adds it.

use anyhow::{Context as _, Result};
use hermes_harness::Container;

/// The capability that [`Memory::of_slot`] needs.
pub(super) const CAPABILITY: &str = "SYS_PTRACE";

/// The memory of a process, in MiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    /// All pages that it has in memory.
    pub(super) resident: f64,
    /// The same, with each page divided by the number of its users (PSS).
    pub(super) proportional: f64,
}

impl Memory {
    /// Reads the memory of the process of a slot.
    pub(super) async fn of_slot(container: &Container, slot: &str) -> Result<Self> {
        const SCRIPT: &str = r#"cat "/proc/$(/command/s6-svstat -o pid "/run/service/$1")/smaps_rollup""#;
        let read = container.exec(["sh", "-c", SCRIPT, "sh", slot]).as_root().await?.success();
        Self::parse(&read.stdout()).with_context(|| format!("failed to read the memory of {slot}"))
    }

    /// Parses a `smaps_rollup` (proc_pid_smaps(5)).
    pub(super) fn parse(rollup: &str) -> Option<Self> {
        let mebibytes = |name: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let kibibytes: f64 = line.strip_suffix("kB")?.trim().parse().ok()?;
            Some(kibibytes / 1024.0)
        };
        Some(Self { resident: mebibytes("Rss")?, proportional: mebibytes("Pss")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_has_both_sizes() {
        let rollup = "55d0c8a00000-7ffd2b7f9000 ---p 00000000 00:00 0    [rollup]\n\
                      Rss:               12544 kB\nPss:                5120 kB\nPss_Dirty:          2048 kB\n";
        assert_eq!(Memory::parse(rollup), Some(Memory { resident: 12.25, proportional: 5.0 }));
        assert_eq!(Memory::parse("Rss: 1 kB\n"), None);
        assert_eq!(Memory::parse("Rss: one kB\nPss: 1 kB\n"), None);
    }
}
