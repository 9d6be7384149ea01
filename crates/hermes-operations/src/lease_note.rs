//! The note of this container about the lease of the volume (`hermes_core::lease`): this container holds it, or another one does.
//!
//! Reconciliation takes the lease before any gateway starts, `hermes container keep-lease` keeps it. Both write the note into the
//! scan directory, and every other command reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hermes_core::Home;
use hermes_core::lease::{Holder, Lease, Obstacle, VolumeLease};
use hermes_os::{waiting, whole_file};
use hermes_service::s6::SCANDIR;
use serde::{Deserialize, Serialize};

use crate::progress::Progress;
use crate::report::{Report, ReportKind};

/// The note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseNote {
    /// The id of this boot in the lease.
    pub instance: String,
    /// The container that holds the lease; `None` if this container holds it.
    pub other: Option<OtherHolder>,
}

/// Another container that holds the lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherHolder {
    /// Its lease; `None` if the file holds none.
    pub lease: Option<Lease>,
}

/// Longer than any note.
const NOTE_MAX: u64 = 64 * 1024;

/// The place of the note.
#[derive(Clone, Debug)]
pub(crate) struct NoteFile {
    path: PathBuf,
}

impl NoteFile {
    /// The note in this directory.
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self { path: directory.join(".lease.json") }
    }

    /// The note of this container.
    pub(crate) fn of_this_container() -> Self {
        Self::in_directory(Path::new(SCANDIR))
    }

    /// Reads the note; `None` before reconciliation, and if nothing reconciles.
    pub(crate) fn read(&self) -> Option<LeaseNote> {
        let bytes = whole_file::read(&self.path, NOTE_MAX).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Writes the note.
    ///
    /// # Errors
    /// The scan directory is missing, or takes no file.
    pub(crate) fn write(&self, note: &LeaseNote) -> Result<(), Report> {
        Ok(whole_file::write_for_now(&self.path, serde_json::json!(note).to_string().as_bytes(), 0o644)?)
    }
}

impl LeaseNote {
    /// Reads the note of this container.
    pub fn read() -> Option<Self> {
        NoteFile::of_this_container().read()
    }

    /// Writes it as the note of this container.
    ///
    /// # Errors
    /// The scan directory is missing, or takes no file.
    pub fn write(&self) -> Result<(), Report> {
        NoteFile::of_this_container().write(self)
    }
}

impl OtherHolder {
    /// The holder that was found.
    pub fn of(obstacle: &Obstacle) -> Self {
        Self { lease: obstacle.lease.clone() }
    }

    /// Names it, for a person.
    pub fn describe(&self) -> String {
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

    /// The reason why a gateway is not driven from here.
    pub fn refusal(&self) -> Report {
        Report::new(ReportKind::TryAgain, self.describe()).hint(
            "drive its gateways from there, or stop that container: this one then takes over by itself, \
             at once or when the heartbeat is old",
        )
    }
}

/// The longest time that a container waits for the volume of another: as long as it lives.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Waits until this container holds the lease, and says once which container holds it.
pub fn wait_until_ours(progress: &dyn Progress) {
    let other = || LeaseNote::read().and_then(|note| note.other);
    if let Some(other) = other() {
        progress.note(&format!(
            "hermes: {}; this container waits, and goes on when the volume is free",
            other.describe()
        ));
        waiting::until(FOR_EVER, Duration::from_secs(1), || {
            LeaseNote::read().is_some_and(|note| note.other.is_none())
        });
    }
}

/// Fails if another container holds the lease.
///
/// # Errors
/// It does.
pub(crate) fn must_be_ours() -> Result<(), Report> {
    match LeaseNote::read().and_then(|note| note.other) {
        Some(other) => Err(other.refusal()),
        None => Ok(()),
    }
}

/// Returns the lease of `home` as this container sees it, in the boot `instance`.
pub fn lease(home: &Home, instance: &str) -> VolumeLease {
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

/// Returns a new id for a boot of this container.
///
/// # Errors
/// The kernel gives none.
pub fn new_instance() -> Result<String, Report> {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_err(|error| Report::new(ReportKind::Failed, "the kernel gives no random id").caused_by(error))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_with_owner_machine_and_heartbeat() {
        let lease: Lease = serde_json::from_str(
            r#"{"owner":"nas","host":"0123456789abcdef","instance":"x","beat":1,"heartbeat":"2026-11-24T12:00:00Z"}"#,
        )
        .unwrap();
        assert_eq!(
            OtherHolder { lease: Some(lease) }.describe(),
            "the volume belongs to the container 'nas' on the machine 01234567 (last heartbeat 2026-11-24T12:00:00Z)"
        );
    }
}
