//! The boot record: tells when a boot is complete, and how long its phases took.
//!
//! It must be the record of *this* boot, never of an earlier one that left its record behind. The record names the
//! supervisor's PID and its start time in ticks. If the process that now has the PID started at another tick, the record
//! is of an earlier boot.

use std::time::Duration;

use container_harness::identity::start_ticks;
use container_harness::product::Probing;
use container_harness::{Container, Look, Looked, Result};
use serde::Deserialize;

/// The record that each boot writes at the moment it is complete.
pub(crate) const RECORD: &str = "/run/s6/boot.json";

/// The deadline of [`boot_of`].
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits in the container, so that the boot is seen within milliseconds and not once per exec. Ends after two seconds at
/// the latest. Prints the record, a NUL, and the stat lines of all processes.
const LOOK: &str = r#"i=0
until [ -e "$1" ] || [ "$i" -ge 200 ]; do i=$((i+1)); sleep 0.01; done
cat "$1"; printf '\0'; cat /proc/[0-9]*/stat 2>/dev/null; true"#;

/// The record that a boot wrote when it was complete.
#[derive(Debug, Clone, Deserialize)]
pub struct Boot {
    /// The time of its beginning, RFC 3339.
    pub started: String,
    /// The supervisor that this boot belongs to.
    pub supervisor: Supervisor,
    /// True for a boot without root.
    #[serde(default)]
    pub unprivileged: bool,
    /// From its beginning to its end, in microseconds.
    pub duration_us: u64,
    /// Phase by phase, script by script.
    pub phases: Vec<BootPhase>,
}

/// A process: PID, and start time in ticks since the machine's boot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Supervisor {
    /// Process ID in the container.
    pub pid: u32,
    /// Field 22 of `/proc/<pid>/stat`.
    pub start_ticks: u64,
}

/// A part of a boot.
#[derive(Debug, Clone, Deserialize)]
pub struct BootPhase {
    /// As `cont-init.d/01-x`.
    pub name: String,
    /// The phase that this one is a part of.
    #[serde(default)]
    pub parent: Option<String>,
    /// From the beginning of the boot, in microseconds.
    pub start_us: u64,
    /// In microseconds.
    pub duration_us: u64,
    /// Of a script.
    #[serde(default)]
    pub exit_code: Option<i32>,
}

/// Waits until this boot of the container is complete, and returns its record.
///
/// Ends at once, with log and exit code, when the container dies.
pub async fn boot_of(container: &Container) -> Result<Boot> {
    container.ready_when("boot", look, DEADLINE).await
}

/// The readiness of the image.
pub(crate) fn is_complete(container: &Container) -> Probing<'_> {
    Box::pin(async move { Ok(look(container).await?.map(drop)) })
}

async fn look(container: &Container) -> Looked<Boot> {
    // As root: the user of the container may have no account `hermes` beside it.
    let seen = container.exec(["sh", "-c", LOOK, "sh", RECORD]).probing().await?.either_way();
    let stdout = seen.stdout();
    let Some((record, stats)) = stdout.split_once('\0') else {
        return Ok(Look::NotYet(seen.report("a boot record and a list of processes")));
    };
    if record.is_empty() {
        return Ok(Look::NotYet(format!("no {RECORD}")));
    }
    Ok(judge(record, stats))
}

/// Compares a boot record with the processes of the container (stat lines, see proc(5)).
fn judge(record: &str, stats: &str) -> Look<Boot> {
    let boot: Boot = match serde_json::from_str(record) {
        Ok(boot) => boot,
        // It is written whole, so this stays as it is.
        Err(error) => return Look::Never(format!("the boot record is unreadable: {error}\n{record}")),
    };
    let Supervisor { pid, start_ticks: expected } = boot.supervisor;
    let prefix = format!("{pid} (");
    match stats.lines().find(|line| line.starts_with(&prefix)).and_then(start_ticks) {
        Some(ticks) if ticks == expected => Look::Value(boot),
        Some(ticks) => Look::NotYet(format!(
            "a boot record of an earlier boot: process {pid} started at tick {ticks}, the record says {expected}"
        )),
        None => Look::NotYet(format!("a boot record of an earlier boot: there is no process {pid}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"version":1,"started":"2026-11-23T19:00:00.123456Z",
        "supervisor":{"pid":1,"start_ticks":12345},"unprivileged":false,"duration_us":41234,
        "phases":[{"name":"prepare","start_us":0,"duration_us":812},
        {"name":"cont-init.d/01-x","parent":"cont-init","start_us":900,"duration_us":1200,"exit_code":0}]}"#;

    fn stat(pid: u32, ticks: u64) -> String {
        format!("{pid} (s6-svscan) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 9 9\n")
    }

    #[test]
    fn the_record_of_this_boot_is_taken() {
        let Look::Value(boot) = judge(RECORD, &(stat(17, 1) + stat(1, 12345).as_str())) else { panic!() };
        assert_eq!(boot.duration_us, 41234);
        assert_eq!(boot.phases[1].exit_code, Some(0));
        assert_eq!(boot.phases[1].parent.as_deref(), Some("cont-init"));
    }

    #[test]
    fn the_record_of_an_earlier_boot_is_not() {
        let Look::NotYet(seen) = judge(RECORD, &stat(1, 99999)) else { panic!() };
        assert_eq!(
            seen,
            "a boot record of an earlier boot: process 1 started at tick 99999, the record says 12345"
        );
        assert!(matches!(judge(RECORD, &stat(11, 12345)), Look::NotYet(_)));
    }

    #[test]
    fn a_record_that_cannot_be_read_will_never_be() {
        assert!(matches!(judge("{", ""), Look::Never(_)));
    }
}
