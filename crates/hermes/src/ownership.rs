//! Whether this container has the volume, or another one does (`hermes_core::lease`).
//!
//! Reconciliation takes the lease before any gateway starts, `hermes container keep-lease` keeps it, and both leave a note in the
//! scan directory: that is what every other command goes by.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hermes_core::Home;
use hermes_core::lease::{Holder, Lease, Obstacle, VolumeLease};
use hermes_os::waiting;
use hermes_os::whole_file;
use hermes_service::s6::SCANDIR;
use serde::{Deserialize, Serialize};

use crate::error::{CommandError, Exit};
use crate::output::note;

/// What is known here of the volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The id of this boot in the lease.
    pub(crate) instance: String,
    /// Nothing: the volume is this container's. Else the other's.
    pub(crate) other: Option<Other>,
}

/// The container that has the volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Other {
    /// Its lease; nothing where the file holds none.
    pub(crate) lease: Option<Lease>,
}

/// Longer than any note.
const NOTE_MAX: u64 = 64 * 1024;

fn note_path() -> PathBuf {
    Path::new(SCANDIR).join(".lease.json")
}

impl Note {
    /// What this boot has noted; nothing before, and where nothing reconciles.
    pub(crate) fn read() -> Option<Self> {
        let bytes = whole_file::read(&note_path(), NOTE_MAX).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    pub(crate) fn write(&self) -> Result<(), CommandError> {
        Ok(whole_file::write_for_now(&note_path(), serde_json::json!(self).to_string().as_bytes(), 0o644)?)
    }
}

impl Other {
    pub(crate) fn of(obstacle: &Obstacle) -> Self {
        Self { lease: obstacle.lease.clone() }
    }

    /// Who it is, in words.
    pub(crate) fn told(&self) -> String {
        match &self.lease {
            None => "the volume's lease.json is unreadable: another container may have the volume".to_owned(),
            Some(lease) => format!(
                "the volume belongs to the container '{}' on the machine {} (last heartbeat {})",
                lease.holder.owner,
                lease.holder.host.get(..8).unwrap_or(&lease.holder.host),
                lease.heartbeat
            ),
        }
    }

    /// Why a gateway is not driven from here.
    pub(crate) fn refusal(&self) -> CommandError {
        CommandError::new(Exit::TryAgain, self.told()).hint(
            "drive its gateways from there, or stop that container: this one then takes over by itself, \
             at once or when the heartbeat is old",
        )
    }
}

/// The longest time that a container waits for the volume of another: as long as it lives.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Waits until this container has the volume, and says once who has it.
pub(crate) fn wait_until_ours() {
    let other = || Note::read().and_then(|note| note.other);
    if let Some(other) = other() {
        note!("hermes: {}; this container waits, and goes on when the volume is free", other.told());
        waiting::until(FOR_EVER, Duration::from_secs(1), || {
            Note::read().is_some_and(|note| note.other.is_none())
        });
    }
}

/// Refuses where another container has the volume.
pub(crate) fn must_be_ours() -> Result<(), CommandError> {
    match Note::read().and_then(|note| note.other) {
        Some(other) => Err(other.refusal()),
        None => Ok(()),
    }
}

/// The lease of `home` as this container sees it, in the boot `instance`.
pub(crate) fn lease(home: &Home, instance: &str) -> VolumeLease {
    let first_line = |path: &str| {
        fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
    };
    let me = Holder {
        owner: first_line("/proc/sys/kernel/hostname"),
        host: first_line("/proc/sys/kernel/random/boot_id"),
        instance: instance.to_owned(),
    };
    VolumeLease::new(home.clone(), me)
}

/// A new id for a boot of this container.
pub(crate) fn new_instance() -> Result<String, CommandError> {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_err(|error| CommandError::new(Exit::Failed, "the kernel gives no random id").caused_by(error))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_the_volume_is_is_told_with_owner_machine_and_heartbeat() {
        let lease: Lease = serde_json::from_str(
            r#"{"owner":"nas","host":"0123456789abcdef","instance":"x","beat":1,"heartbeat":"2026-11-24T12:00:00Z"}"#,
        )
        .unwrap();
        assert_eq!(
            Other { lease: Some(lease) }.told(),
            "the volume belongs to the container 'nas' on the machine 01234567 (last heartbeat 2026-11-24T12:00:00Z)"
        );
    }
}
