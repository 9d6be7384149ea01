//! Tests of the keeper: real leases on a temporary volume, a clock that a script moves, a service manager in memory.

use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;

use hermes_core::lease::{Holder, TTL};
use hermes_core::{DesiredState, Home, ProfileName, StateRead};
use hermes_service::fake::FakeManager;
use hermes_service::{ServiceManager as _, ServiceStatus};

use super::*;
use crate::progress::Progress;

/// The lines of the keeper.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Progress for Lines {
    fn say(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }

    fn note(&self, line: &str) {
        self.say(line);
    }

    fn failed(&self, report: &Report) {
        self.say(&report.what);
    }
}

/// A clock that moves at each pause. The script runs after the move, with the time since the start and the length of the pause.
struct ScriptedClock<F> {
    now: Cell<Duration>,
    script: RefCell<F>,
}

impl<F: FnMut(Duration, Duration) -> Pause> Clock for ScriptedClock<F> {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn pause(&self, time: Duration) -> Result<Pause, Report> {
        self.now.set(self.now.get() + time);
        assert!(self.now.get() < Duration::from_secs(3600), "the script never stops the keeper");
        Ok((self.script.borrow_mut())(self.now.get(), time))
    }
}

/// A volume with the profiles `coder`, which is to run, and `writer`, which is not.
struct Volume {
    folder: tempfile::TempDir,
    manager: Arc<FakeManager>,
    lines: Arc<Lines>,
    operations: Operations,
}

fn name(name: &str) -> ProfileName {
    ProfileName::new(name).unwrap()
}

impl Volume {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (manager, lines) = (Arc::new(FakeManager::default()), Arc::new(Lines::default()));
        let home = Home::new(folder.path()).unwrap();
        let operations =
            Operations::new(home, Arc::clone(&manager) as _).with_progress(Arc::clone(&lines) as _);
        for profile in ["coder", "writer"].map(name) {
            operations.create(&profile).unwrap();
        }
        StateFile::of(operations.home(), &name("coder")).set_desired(DesiredState::Running).unwrap();
        Self { folder, manager, lines, operations }
    }

    fn lease(&self, owner: &str, host: &str) -> VolumeLease {
        let holder =
            Holder { owner: owner.into(), host: host.into(), instance: format!("{owner} on {host}") };
        VolumeLease::new(self.operations.home().clone(), holder)
    }

    /// Writes the lease of a container on another machine, which has no lock here.
    fn write_lease_of(&self, owner: &str, beat: u64) {
        let lease = serde_json::json!({"owner": owner, "host": "elsewhere", "instance": owner, "beat": beat,
            "heartbeat": "2026-11-24T12:00:00Z"});
        fs::write(self.operations.home().lease(), lease.to_string()).unwrap();
    }

    fn notes(&self) -> NoteFile {
        NoteFile::in_directory(self.folder.path())
    }

    /// The owner of the lease that the note names; `None` if it names none.
    fn noted_owner(&self) -> Option<String> {
        Some(self.notes().read().unwrap().other?.lease.unwrap().holder.owner)
    }

    /// Runs the keeper of the container `me` until the script stops it.
    fn keep(&self, was_held: bool, script: impl FnMut(Duration, Duration) -> Pause) {
        let clock = ScriptedClock { now: Cell::default(), script: RefCell::new(script) };
        let mut keeper = LeaseKeeper::new(&self.operations, self.lease("me", "here"), &clock);
        (keeper.notes, keeper.boot_json) = (self.notes(), self.folder.path().join("boot.json"));
        keeper.keep(was_held).unwrap();
    }

    fn is_running(&self, profile: &str) -> bool {
        self.manager.is_running(&name(profile)).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().clone()
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn stop_after(seconds: u64, now: Duration) -> Pause {
    if now >= Duration::from_secs(seconds) { Pause::Stopped } else { Pause::Passed }
}

#[test]
fn gateways_start_when_the_other_container_releases_the_lease() {
    let volume = Volume::new();
    let other = volume.lease("other", "here");
    let Acquire::Held(held) = other.take().unwrap() else { panic!("the lease is free") };
    let mut held = Some(held);
    let mut seen = Vec::new();
    volume.keep(false, |now, _| {
        seen.push((volume.noted_owner(), volume.is_running("coder")));
        if now == 3 * SECOND {
            other.give_back(held.take().unwrap()).unwrap();
        }
        if held.is_none() && volume.is_running("coder") {
            volume.manager.stop(&name("coder"), Wait::No).unwrap();
            return Pause::Stopped;
        }
        Pause::Passed
    });
    let waits = (Some("other".to_owned()), false);
    assert_eq!(seen, [waits.clone(), waits.clone(), waits, (None, true)]);
    assert!(!volume.is_running("writer"), "its desired state is not running");
    assert!(!volume.operations.home().lease().exists(), "a stopped keeper releases the lease");
}

#[test]
fn a_lost_lease_stops_gateways_and_keeps_desired_states() {
    let volume = Volume::new();
    for profile in ["coder", "writer"] {
        volume.manager.start(&name(profile), Wait::No).unwrap();
    }
    volume.notes().write(&LeaseNote { instance: "me on here".into(), other: None }).unwrap();
    volume.keep(true, |now, pause| {
        if pause == SECOND {
            // It waits for the other container.
            assert_eq!(volume.noted_owner().as_deref(), Some("other"));
            return Pause::Stopped;
        }
        volume.write_lease_of("other", 1);
        stop_after(60, now)
    });
    assert!(!volume.is_running("coder") && !volume.is_running("writer"));
    let StateRead::Read(state) = StateFile::of(volume.operations.home(), &name("coder")).read() else {
        panic!("no state")
    };
    assert_eq!(state.desired().known(), Some(DesiredState::Running));
    assert!(volume.lines()[0].contains("belongs to the container 'other'"), "{:?}", volume.lines());
}

#[test]
fn a_silent_holder_is_replaced_after_its_ttl_and_a_pause() {
    let volume = Volume::new();
    volume.write_lease_of("dead", 7);
    let mut started = None;
    volume.keep(false, |now, _| {
        if volume.is_running("coder") {
            started.get_or_insert(now);
            volume.manager.stop(&name("coder"), Wait::No).unwrap();
            return Pause::Stopped;
        }
        stop_after(120, now)
    });
    // The gateways were started before the first pause with the lease, of 0.1 s.
    assert_eq!(started, Some(TTL + SETTLES + COMPLETE));
}

#[test]
fn a_holder_that_beats_is_never_replaced() {
    let volume = Volume::new();
    volume.write_lease_of("alive", 1);
    volume.keep(false, |now, _| {
        volume.write_lease_of("alive", now.as_secs() / 20);
        stop_after(200, now)
    });
    assert_eq!(volume.noted_owner().as_deref(), Some("alive"));
    assert!(!volume.is_running("coder"));
}

#[test]
fn the_later_of_two_take_overs_has_the_lease() {
    let volume = Volume::new();
    volume.write_lease_of("dead", 7);
    volume.keep(false, |now, pause| {
        if pause == SETTLES {
            volume.write_lease_of("later", 1);
        }
        assert!(!volume.is_running("coder"));
        stop_after(TTL.as_secs() + 20, now)
    });
    let holder = fs::read_to_string(volume.operations.home().lease()).unwrap();
    assert!(holder.contains("later"), "{holder}");
}

#[test]
fn a_lease_that_cannot_be_kept_is_told_once_with_its_end() {
    let volume = Volume::new();
    let lease = volume.operations.home().lease();
    fs::create_dir(&lease).unwrap();
    volume.keep(false, |now, _| {
        if now == 3 * BEAT {
            fs::remove_dir(&lease).unwrap();
        }
        if volume.is_running("coder") {
            volume.manager.stop(&name("coder"), Wait::No).unwrap();
        }
        stop_after(60, now)
    });
    let lines = volume.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("failed to keep the lease of the volume"), "{lines:?}");
    assert_eq!(lines[1], "the lease of the volume is kept again");
    assert_eq!(
        lines[2],
        "this container has the volume now: starting the gateways whose desired state is running"
    );
}

#[test]
fn a_stopped_keeper_waits_for_the_last_gateway() {
    let volume = Volume::new();
    volume.manager.start(&name("coder"), Wait::No).unwrap();
    volume.notes().write(&LeaseNote { instance: "me on here".into(), other: None }).unwrap();
    thread::scope(|scope| {
        volume.keep(true, |_, _| {
            scope.spawn(|| {
                let lease = volume.operations.home().lease();
                assert!(!waiting::until(SETTLES / 20, ENDING, || !lease.exists()), "released too early");
                volume.manager.set_status(&name("coder"), ServiceStatus::default());
            });
            Pause::Stopped
        });
    });
    assert!(!volume.operations.home().lease().exists());
}

#[test]
fn the_boot_is_kept_once_it_is_complete() {
    let volume = Volume::new();
    let boots = || fs::read_to_string(volume.operations.home().boots()).unwrap_or_default();
    fs::create_dir_all(volume.operations.home().logs_directory()).unwrap();
    volume.keep(true, |now, _| {
        if volume.is_running("coder") {
            volume.manager.stop(&name("coder"), Wait::No).unwrap();
        }
        if now == SECOND {
            assert_eq!(boots(), "");
            let boot = r#"{"started":"2026-11-23T19:00:00.123456Z","duration_us":40000,"phases":[]}"#;
            fs::write(volume.folder.path().join("boot.json"), boot).unwrap();
        }
        stop_after(30, now)
    });
    assert_eq!(boots().matches("2026-11-23T19:00:00.123456Z").count(), 1, "{}", boots());
}
