//! The slots of this container and their states, for `health` and the overview.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hermes_core::ProfileName;
use hermes_core::boot::record::BOOT_JSON;
use hermes_os::waiting;
use hermes_service::detect::Probe;
use hermes_service::s6::{self, Crashes, Slot, SlotState};
use serde::Serialize;

use crate::report::{Report, ReportKind};

/// A slot and its state; no state if nothing supervises it (yet).
#[derive(Debug, Serialize)]
pub struct Supervised {
    /// The name of the slot.
    pub name: String,
    /// Its state.
    #[serde(flatten)]
    pub state: Option<SlotState>,
    /// Of a gateway: the number of restarts after crashes, since it was last told to start.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<u64>,
    /// Of a gateway: the reason why it is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    gave_up: Option<String>,
    /// Of a gateway: it ended, is about to be started, and nothing says that it crashed.
    #[serde(skip)]
    comes_back: bool,
}

impl Supervised {
    /// Returns `true` if it is up or not wanted up, and in no crash loop.
    pub fn is_well(&self) -> bool {
        let is_failing = self.gave_up.is_some() || self.is_in_a_crash_loop() || self.is_missing();
        !is_failing && (self.comes_back || self.state.is_some_and(|state| state.up || !state.desired_up))
    }

    /// Returns `true` if a service that starts by itself is down, and nobody starts it. A gateway that is down was stopped, or given up.
    pub fn is_missing(&self) -> bool {
        !self.is_gateway()
            && self.state.is_some_and(|state| !state.up && !state.desired_up && state.normally_up)
    }

    fn is_gateway(&self) -> bool {
        ProfileName::from_gateway_slot_name(&self.name).is_some()
    }

    /// It crashed, and has not become ready since.
    fn is_in_a_crash_loop(&self) -> bool {
        self.restarts.is_some_and(|restarts| restarts > 0)
            && self.state.is_some_and(|state| state.desired_up && !state.ready)
    }

    /// A word for its state.
    pub fn word(&self) -> &'static str {
        match self.state {
            None => "unsupervised",
            Some(_) if self.gave_up.is_some() => "given-up",
            Some(_) if self.is_in_a_crash_loop() => "crashed",
            // Only a gateway always notifies readiness; another slot may never do.
            Some(state) if state.up && !state.ready && self.is_gateway() => "starting",
            Some(state) if state.up => "running",
            Some(_) if self.comes_back => "starting",
            Some(state) if state.desired_up => "crashed",
            Some(_) => "stopped",
        }
    }
}

/// Returns `true` if s6 supervises here.
pub fn s6_runs() -> bool {
    Probe::default().s6_runs()
}

/// Returns `true` if the account's tree is supervised. Slots can be up without it, and nobody starts them again.
pub fn tree_runs() -> bool {
    s6::is_surely_scanned(Path::new(s6::SCANDIR))
}

/// Returns `true` if the boot of this container is complete: before, a profile without a slot may have one in a moment. Ask before a
/// look at slots: a boot that completes meanwhile then makes nothing look ill.
pub fn boot_is_complete() -> bool {
    Path::new(BOOT_JSON).exists()
}

/// Returns the state of the dashboard's slot; `None` if nobody supervises it (yet).
pub fn dashboard() -> Option<SlotState> {
    s6::slot_state(&dashboard_slot(), SystemTime::now()).ok()
}

/// Returns the path of the dashboard's slot.
pub(crate) fn dashboard_slot() -> PathBuf {
    Path::new(s6::SCANDIR).join(DASHBOARD)
}

/// The name of the dashboard's slot.
const DASHBOARD: &str = "dashboard";

/// Fails for a user who cannot look: to another user, the files of the account would be missing.
///
/// # Errors
/// s6 supervises here, and neither root nor the account runs this.
pub fn must_be_the_account() -> Result<(), Report> {
    let me = rustix::process::geteuid();
    // The tree's own directory, which the account makes at each boot; the scan directory itself may be the image's.
    let control = Path::new(s6::SCANDIR).join(".s6-svscan");
    let owner = std::fs::symlink_metadata(control).map(|found| found.uid());
    match owner {
        Ok(owner) if !me.is_root() && me.as_raw() != owner && s6_runs() => {
            let what = format!(
                "the user {me} may not look at the agents of this container: they belong to the user {owner}"
            );
            Err(Report::new(ReportKind::NoPermission, what)
                .hint("leave the user out: docker exec CONTAINER hermes …"))
        }
        _ => Ok(()),
    }
}

/// Every slot of the account's tree.
///
/// # Errors
/// No s6 runs here, the scan directory cannot be read, or another user than the account asks.
pub fn all() -> Result<Vec<Supervised>, Report> {
    must_be_the_account()?;
    if !s6_runs() {
        return Err(Report::new(ReportKind::Unsupported, "s6 does not supervise here")
            .hint("run this in a container of the hermes image: docker exec CONTAINER hermes …"));
    }
    let mut looked = Ok(Vec::new());
    waiting::until(TAKEN_UP, Duration::from_millis(20), || {
        looked = look_at_all();
        let is_supervised = |slot: &Supervised| slot.state.is_some();
        !boot_is_complete() || looked.as_ref().map_or(true, |slots| slots.iter().all(is_supervised))
    });
    looked.map_err(|error| Report::new(ReportKind::Failed, "failed to list the slots").caused_by(error))
}

/// The time that a new slot may be without a supervisor.
const TAKEN_UP: Duration = Duration::from_secs(1);

fn look_at_all() -> io::Result<Vec<Supervised>> {
    let now = SystemTime::now();
    Ok(s6::slots(Path::new(s6::SCANDIR))?.into_iter().filter_map(|slot| look_at(slot, now)).collect())
}

/// Returns `None` if the slot was removed since it was listed: that is no slot without a supervisor.
fn look_at(slot: Slot, now: SystemTime) -> Option<Supervised> {
    let state = s6::slot_state(&slot.directory, now).ok();
    if state.is_none() && !slot.directory.exists() {
        return None;
    }
    let counts_crashes = ProfileName::from_gateway_slot_name(&slot.name).is_some() || slot.name == DASHBOARD;
    let crashes = counts_crashes.then(|| Crashes::load(&slot.directory).unwrap_or_default());
    let comes_back = state.zip(crashes.as_ref()).is_some_and(|(state, crashes)| crashes.comes_back(&state));
    let restarts = crashes.as_ref().map(|crashes| crashes.restarts);
    let gave_up = crashes.and_then(|crashes| crashes.gave_up);
    Some(Supervised { name: slot.name, state, restarts, gave_up, comes_back })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(up: bool, desired_up: bool, ready: bool, restarts: u64, gave_up: Option<&str>) -> Supervised {
        let state =
            SlotState { up, desired_up, normally_up: true, ready, pid: None, since: Duration::from_secs(1) };
        Supervised {
            name: "gateway-coder".into(),
            state: Some(state),
            restarts: Some(restarts),
            gave_up: gave_up.map(str::to_owned),
            comes_back: false,
        }
    }

    #[test]
    fn only_a_slot_in_its_desired_state_is_well() {
        let is = |slot: Supervised, word: &str, is_well: bool| {
            assert_eq!((slot.word(), slot.is_well()), (word, is_well), "{slot:?}");
        };
        is(slot(true, true, true, 0, None), "running", true);
        is(slot(true, true, true, 3, None), "running", true);
        is(slot(true, true, false, 0, None), "starting", true);
        is(slot(true, true, false, 1, None), "crashed", false);
        is(slot(false, true, false, 1, None), "crashed", false);
        is(slot(false, true, false, 0, None), "crashed", false);
        is(Supervised { comes_back: true, ..slot(false, true, false, 0, None) }, "starting", true);
        is(slot(false, false, false, 0, None), "stopped", true);
        is(slot(false, false, false, 2, None), "stopped", true);
        is(slot(false, false, false, 9, Some("it crashed")), "given-up", false);
        let unsupervised = Supervised { state: None, ..slot(false, false, false, 0, None) };
        is(unsupervised, "unsupervised", false);
    }

    #[test]
    fn a_slot_removed_since_the_listing_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let slot =
            |directory: &str| Slot { name: directory.into(), directory: folder.path().join(directory) };
        std::fs::create_dir(folder.path().join("there")).unwrap();
        let there = look_at(slot("there"), SystemTime::now()).map(|slot| slot.word());
        assert_eq!(there, Some("unsupervised"));
        assert!(look_at(slot("removed"), SystemTime::now()).is_none());
    }
}
