//! The times of a boot, by phase, kept in `/run/s6/boot.json`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::paths;
use crate::process_identity::ProcessIdentity;

/// One phase of the boot, or one script or service of a phase. Times are microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// The phase that this one is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    /// The time since the first instruction of `/init`.
    pub(crate) start_us: u64,
    pub(crate) duration_us: u64,
    /// The exit code of a script, 128+N for signal N.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<u8>,
}

/// The clock and the phases of this boot.
#[derive(Clone, Debug)]
pub(crate) struct BootRecord {
    started: SystemTime,
    zero: Instant,
    pub(crate) phases: Vec<Phase>,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u8,
    /// RFC 3339, UTC.
    started: String,
    supervisor: Option<ProcessIdentity>,
    /// Everything runs in one tree, without root.
    unprivileged: bool,
    duration_us: u64,
    phases: &'a [Phase],
}

impl BootRecord {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        Self { started: SystemTime::now(), zero: Instant::now(), phases: Vec::new() }
    }

    /// Returns the microseconds since the start.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Adds a phase that began at `start_us` and ends now.
    pub(crate) fn add_phase(&mut self, name: &str, start_us: u64) {
        let duration_us = self.now_us() - start_us;
        self.phases.push(Phase { name: name.into(), parent: None, start_us, duration_us, exit_code: None });
    }

    /// Adds a part of a phase, with the exit code of the script.
    pub(crate) fn add_part(&mut self, parent: &str, name: String, start_us: u64, exit_code: Option<u8>) {
        let duration_us = self.now_us() - start_us;
        self.phases.push(Phase { name, parent: Some(parent.into()), start_us, duration_us, exit_code });
    }

    /// Writes the record as a whole, readable by all. The file appears when the boot is complete.
    pub(crate) fn write(&self, unprivileged: bool) -> Result<()> {
        let written = Written {
            version: 1,
            started: humantime::format_rfc3339_micros(self.started).to_string(),
            supervisor: ProcessIdentity::read_alive(paths::SUPERVISOR),
            unprivileged,
            duration_us: self.now_us(),
            phases: &self.phases,
        };
        let text = serde_json::to_vec(&written).context("failed to serialize the boot record")?;
        let temporary = format!("{}.new", paths::BOOT_JSON);
        let failed = || format!("failed to write {}", paths::BOOT_JSON);
        let mut file = fs::File::create(&temporary).with_context(failed)?;
        file.set_permissions(fs::Permissions::from_mode(0o644)).with_context(failed)?;
        file.write_all(&text).with_context(failed)?;
        // No sync: /run does not outlive the boot.
        fs::rename(&temporary, paths::BOOT_JSON).with_context(failed)
    }
}
