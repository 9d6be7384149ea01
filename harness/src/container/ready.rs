//! Waits until a boot is complete: *this* boot, never one that left its record behind.
//!
//! The boot record names the supervisor's PID and its start time in ticks. A record whose ticks are not those of the
//! process that now has the PID is an earlier boot's.

use std::time::Duration;

use serde::Deserialize;

use super::Container;
use crate::error::{Error, Result};
use crate::identity::start_ticks;
use crate::wait::{Look, Looked, wait_until};

/// How long a boot may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits in the container, so that the boot is seen within milliseconds and not once per exec; comes back after two
/// seconds at the latest. Prints the record, a NUL, and the stat lines of all processes.
const LOOK: &str = r#"i=0
until [ -e "$1" ] || [ "$i" -ge 200 ]; do i=$((i+1)); sleep 0.01; done
cat "$1"; printf '\0'; cat /proc/[0-9]*/stat 2>/dev/null; true"#;

/// What a boot wrote about itself when it was complete.
#[derive(Debug, Clone, Deserialize)]
pub struct Boot {
    /// When it began, RFC 3339.
    pub started: String,
    /// The supervisor that this boot belongs to.
    pub supervisor: Supervisor,
    /// Whether it ran without root.
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

impl Container {
    /// Waits until this boot is complete. Ends at once, with log and exit code, when the container dies.
    pub async fn ready(&self) -> Result<Boot> {
        self.ready_within(DEADLINE).await
    }

    /// [`ready`](Self::ready) with a deadline of the test's own.
    pub async fn ready_within(&self, deadline: Duration) -> Result<Boot> {
        let what = format!("boot of {}", self.name());
        let look = async || self.look_for_boot().await;
        tokio::select! {
            biased;
            exit_code = self.ended() => Err(self.died(exit_code?, "it booted").await),
            boot = wait_until(what, look, deadline) => match boot {
                Err(Error::Deadline { waiting_for, after, last_seen }) => {
                    let last_seen = format!("{last_seen}\nits log:\n{}", self.log_end().await);
                    Err(Error::Deadline { waiting_for, after, last_seen })
                }
                other => other,
            },
        }
    }

    async fn look_for_boot(&self) -> Looked<Boot> {
        // Root, since the container may have been given a user that has no `hermes` beside it.
        let record = self.layout().boot_record;
        let seen = match self.exec(["sh", "-c", LOOK, "sh", record]).probing().await {
            Ok(outcome) => outcome.either_way(),
            // Between a restart's stop and its start there is nothing to run a command in; whether the container is
            // gone for good, the other branch tells.
            Err(error) if matches!(error.engine_status(), Some(409 | 500)) => {
                return Ok(Look::NotYet(crate::error::chain(&error)));
            }
            Err(error) => return Err(super::boxed(error)),
        };
        let stdout = seen.stdout();
        let Some((record_text, stats)) = stdout.split_once('\0') else {
            return Ok(Look::NotYet(seen.report("a boot record and a list of processes")));
        };
        if record_text.is_empty() {
            return Ok(Look::NotYet(format!("no {record}")));
        }
        Ok(judge(record_text, stats))
    }
}

/// Whether a boot record is of the boot whose processes these are (stat lines, see proc(5)).
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
