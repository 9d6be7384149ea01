//! What root has to be allowed in the container, checked before anything depends on it.

use std::fs;

use anyhow::{Context, Result};

use crate::message::Hinted;

/// Names and numbers from capability.h, in the order in which they are told.
const NEEDED: [(&str, u32); 5] =
    [("CHOWN", 0), ("DAC_OVERRIDE", 1), ("KILL", 5), ("SETGID", 6), ("SETUID", 7)];

/// Fails when one is missing. Found out later, it would be worse: without KILL
/// the container would never end, since root could not tell the agents' tree to.
pub(crate) fn check() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc: is it mounted?")?;
    let missing = missing(&status);
    if missing.is_empty() {
        return Ok(());
    }
    let flags: Vec<String> = NEEDED.iter().map(|(name, _)| format!("--cap-add {name}")).collect();
    Err(Hinted::new(
        format!("root lacks capabilities in this container: {}", missing.join(", ")),
        format!("docker run --cap-drop ALL {} …", flags.join(" ")),
    )
    .into())
}

/// Those that the mask `CapEff` of proc_pid_status(5) does not hold.
fn missing(status: &str) -> Vec<&'static str> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(u64::MAX);
    NEEDED.iter().filter(|(_, bit)| mask & (1 << bit) == 0).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_capability_is_named() {
        assert!(missing("Name:\tinit\nCapEff:\t00000000a80425fb\n").is_empty());
        assert_eq!(missing("CapEff:\t00000000000000c3\n"), ["KILL"]);
        assert_eq!(
            missing("CapEff:\t0000000000000000\n"),
            ["CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"]
        );
    }
}
