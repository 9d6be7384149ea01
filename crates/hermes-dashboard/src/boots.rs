//! The recorded boots and their actions on the profiles.

use std::path::Path;
use std::time::SystemTime;

use hermes_core::boot::log as boot_log;
use hermes_core::boot::log::Entry;
use hermes_core::boot::record as boot_record;
use hermes_core::boot::record::{BOOT_JSON, BootRecord};
use hermes_operations::{Report, ReportKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::site::Site;

/// A boot of a container that had this volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Boot {
    /// The time of its start: RFC 3339.
    pub(crate) started: String,
    /// `true` for the boot of this container.
    pub(crate) is_this: bool,
    /// The duration, in microseconds.
    pub(crate) duration_us: u64,
    /// The phases, in the order of their start.
    pub(crate) phases: Vec<Phase>,
    /// The actions on the profiles.
    pub(crate) profiles: Vec<Reconciled>,
}

/// A phase of a boot, or a script or a service within it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// The phase that this is a part of.
    pub(crate) parent: Option<String>,
    /// Microseconds after the start of the boot.
    pub(crate) start_us: u64,
    /// In microseconds.
    pub(crate) duration_us: u64,
    /// The exit code of a script.
    pub(crate) exit_code: Option<u8>,
}

/// The action of a boot on a profile, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Reconciled {
    pub(crate) profile: String,
    /// `started`, `registered`, `skipped` or `failed`.
    pub(crate) action: String,
    /// The state before the boot, or `none`.
    pub(crate) prior_state: String,
    /// The reason, for a person.
    pub(crate) why: String,
}

impl Phase {
    pub(crate) fn failed(&self) -> bool {
        self.exit_code.is_some_and(|code| code != 0)
    }
}

impl Boot {
    /// Returns the number of profiles with this action.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.profiles.iter().filter(|reconciled| reconciled.action == action).count()
    }
}

/// Returns the recorded boots, the last one first.
///
/// # Errors
/// The records on the volume cannot be read.
pub(crate) fn known(site: &Site) -> Result<Vec<Boot>, Report> {
    let unreadable = |error: &(dyn std::error::Error + 'static)| {
        Report::new(ReportKind::Failed, "failed to read the boots").because(error)
    };
    let mut records = boot_record::kept(&site.home).map_err(|error| {
        let file = site.home.boots();
        unreadable(&error).hint(format!("move it out of the way: mv {0} {0}.broken", file.display()))
    })?;
    let this = BootRecord::load(Path::new(BOOT_JSON)).map_err(|error| unreadable(&error))?;
    let this_started = this.as_ref().map(|boot| boot.started.clone());
    if let Some(this) = this
        && records.iter().all(|boot| boot.started != this.started)
    {
        records.push(this);
    }
    let entries = boot_log::read(&site.home.boot_log()).map_err(|error| unreadable(&error))?;
    Ok(boots_of(&records, &entries, this_started.as_deref()))
}

fn boots_of(records: &[BootRecord], entries: &[Entry], this: Option<&str>) -> Vec<Boot> {
    let mut boots: Vec<Boot> = Vec::with_capacity(records.len());
    for (place, record) in records.iter().enumerate() {
        // The lines of a boot lie between its start and that of the next boot.
        let end = records.get(place + 1).map(|next| next.started.as_str());
        let is_of_it =
            |entry: &&Entry| entry.time >= record.started && end.is_none_or(|end| *entry.time < *end);
        boots.push(Boot {
            is_this: this == Some(record.started.as_str()),
            started: record.started.clone(),
            duration_us: record.duration_us,
            phases: record.ordered().into_iter().map(phase).collect(),
            profiles: entries.iter().filter(is_of_it).map(reconciled).collect(),
        });
    }
    boots.reverse();
    boots
}

fn phase(phase: &boot_record::Phase) -> Phase {
    Phase {
        name: phase.name.clone(),
        parent: phase.parent.clone(),
        start_us: phase.start_us,
        duration_us: phase.duration_us,
        exit_code: phase.exit_code,
    }
}

/// The rules are those of `docs/gateways.md`, "After a restart".
fn reconciled(entry: &Entry) -> Reconciled {
    let why = match (entry.action.as_str(), entry.prior_state.as_str()) {
        ("failed", _) => entry.reason.clone().unwrap_or_else(|| "its slot could not be created".to_owned()),
        ("skipped", _) => "it is not a profile".to_owned(),
        ("started", state) => format!("it was {state}"),
        (_, "none") => "it was never started".to_owned(),
        (_, state) => format!("it was {state}, so it stays stopped"),
    };
    Reconciled {
        profile: entry.profile.clone(),
        action: entry.action.clone(),
        prior_state: entry.prior_state.clone(),
        why,
    }
}

/// Returns the start of this container, or `None` outside a container of the image.
pub(crate) fn container_started() -> Option<SystemTime> {
    let boot = BootRecord::load(Path::new(BOOT_JSON)).ok()??;
    humantime::parse_rfc3339(&boot.started).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(started: &str) -> BootRecord {
        BootRecord { started: started.into(), duration_us: 5, phases: Vec::new() }
    }

    fn entry(line: &str) -> Entry {
        Entry::parse(line).unwrap()
    }

    #[test]
    fn a_boot_has_the_lines_before_the_next_boot() {
        let entries = [
            entry("2026-01-01T00:00:00.500000Z profile=default prior_state=none action=registered"),
            entry("2026-01-02T00:00:00.500000Z profile=default prior_state=running action=started"),
            entry("2026-01-02T00:00:00.500000Z profile=b prior_state=stopped action=registered"),
            entry("2026-01-02T00:00:00.500000Z profile=c prior_state=running action=failed reason=no room"),
        ];
        let records = [record("2026-01-01T00:00:00.000000Z"), record("2026-01-02T00:00:00.000000Z")];
        let boots = boots_of(&records, &entries, Some("2026-01-02T00:00:00.000000Z"));
        assert!(boots[0].is_this && !boots[1].is_this, "the last one comes first");
        let why = |boot: &Boot| -> Vec<String> {
            boot.profiles.iter().map(|one| format!("{} {}: {}", one.profile, one.action, one.why)).collect()
        };
        assert_eq!(
            why(&boots[0]),
            [
                "default started: it was running",
                "b registered: it was stopped, so it stays stopped",
                "c failed: no room"
            ]
        );
        assert_eq!(why(&boots[1]), ["default registered: it was never started"]);
        assert_eq!((boots[0].count("started"), boots[0].count("failed")), (1, 1));
    }
}
