//! The boots that are known, and what each did with the profiles.

use std::path::Path;
use std::time::SystemTime;

use hermes_core::boot::log as boot_log;
use hermes_core::boot::log::Entry;
use hermes_core::boot::record as boot_record;
use hermes_core::boot::record::{BOOT_JSON, BootRecord};
use serde::Serialize;
use utoipa::ToSchema;

use crate::agents::{Failure, FailureKind};
use crate::site::Site;

/// A boot of a container that had this volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Boot {
    /// RFC 3339.
    pub(crate) started: String,
    /// Whether it is that of this container, now.
    pub(crate) is_this: bool,
    /// How long it took, in microseconds.
    pub(crate) duration_us: u64,
    /// What it consisted of, in the order of their start.
    pub(crate) phases: Vec<Phase>,
    /// What it did with each profile.
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
    /// Of a script.
    pub(crate) exit_code: Option<u8>,
}

/// What a boot did with a profile, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Reconciled {
    pub(crate) profile: String,
    /// `started`, `registered`, `skipped` or `failed`.
    pub(crate) action: String,
    /// What was known of it before; `none` for nothing.
    pub(crate) prior_state: String,
    /// Why, in words.
    pub(crate) why: String,
}

impl Phase {
    pub(crate) fn failed(&self) -> bool {
        self.exit_code.is_some_and(|code| code != 0)
    }
}

impl Boot {
    /// How many profiles it did this with.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.profiles.iter().filter(|reconciled| reconciled.action == action).count()
    }
}

/// The boots that are known, the last one first.
///
/// # Errors
/// What the volume keeps of them cannot be read.
pub(crate) fn known(site: &Site) -> Result<Vec<Boot>, Failure> {
    let unreadable = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(FailureKind::Failed, "cannot tell of the boots").because(error)
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
    Ok(told(&records, &entries, this_started.as_deref()))
}

fn told(records: &[BootRecord], entries: &[Entry], this: Option<&str>) -> Vec<Boot> {
    let mut boots: Vec<Boot> = Vec::with_capacity(records.len());
    for (place, record) in records.iter().enumerate() {
        // Its lines are those between its start and that of the next boot.
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
        ("failed", _) => entry.reason.clone().unwrap_or_else(|| "its slot could not be made".to_owned()),
        ("skipped", _) => "it is no profile".to_owned(),
        ("started", state) => format!("it was {state}"),
        (_, "none") => "nobody has started it yet".to_owned(),
        (_, state) => format!("it was {state}, so it stays down"),
    };
    Reconciled {
        profile: entry.profile.clone(),
        action: entry.action.clone(),
        prior_state: entry.prior_state.clone(),
        why,
    }
}

/// When this container started; nothing where it is none of the image.
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
    fn each_boot_has_the_lines_between_its_start_and_the_next() {
        let entries = [
            entry("2026-01-01T00:00:00.500000Z profile=default prior_state=none action=registered"),
            entry("2026-01-02T00:00:00.500000Z profile=default prior_state=running action=started"),
            entry("2026-01-02T00:00:00.500000Z profile=b prior_state=stopped action=registered"),
            entry("2026-01-02T00:00:00.500000Z profile=c prior_state=running action=failed reason=no room"),
        ];
        let records = [record("2026-01-01T00:00:00.000000Z"), record("2026-01-02T00:00:00.000000Z")];
        let boots = told(&records, &entries, Some("2026-01-02T00:00:00.000000Z"));
        assert!(boots[0].is_this && !boots[1].is_this, "the last one comes first");
        let why = |boot: &Boot| -> Vec<String> {
            boot.profiles.iter().map(|one| format!("{} {}: {}", one.profile, one.action, one.why)).collect()
        };
        assert_eq!(
            why(&boots[0]),
            [
                "default started: it was running",
                "b registered: it was stopped, so it stays down",
                "c failed: no room"
            ]
        );
        assert_eq!(why(&boots[1]), ["default registered: nobody has started it yet"]);
        assert_eq!((boots[0].count("started"), boots[0].count("failed")), (1, 1));
    }
}
