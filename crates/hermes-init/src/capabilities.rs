//! The check for the capabilities that root needs in the container.

use std::fs;

use anyhow::{Context, Result};

use crate::message::Report;

/// Names and numbers from capability.h, in the order of the message.
const REQUIRED: [(&str, u32); 5] =
    [("CHOWN", 0), ("DAC_OVERRIDE", 1), ("KILL", 5), ("SETGID", 6), ("SETUID", 7)];

/// Fails if a capability is missing. Without KILL, for example, the container would never end: root could not signal the agents'
/// tree.
pub(crate) fn check() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("failed to read /proc: is it mounted?")?;
    let missing = missing(&status);
    if missing.is_empty() {
        return Ok(());
    }
    let flags: Vec<String> = REQUIRED.iter().map(|(name, _)| format!("--cap-add {name}")).collect();
    Err(Report::new(
        format!("root lacks capabilities in this container: {}", missing.join(", ")),
        format!("docker run --cap-drop ALL {} …", flags.join(" ")),
    )
    .into())
}

/// Returns the capabilities that are missing in the mask `CapEff` of proc_pid_status(5).
fn missing(status: &str) -> Vec<&'static str> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(u64::MAX);
    REQUIRED.iter().filter(|(_, bit)| mask & (1 << bit) == 0).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_capability_is_found() {
        assert!(missing("Name:\tinit\nCapEff:\t00000000a80425fb\n").is_empty());
        assert_eq!(missing("CapEff:\t00000000000000c3\n"), ["KILL"]);
        assert_eq!(
            missing("CapEff:\t0000000000000000\n"),
            ["CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"]
        );
    }
}
