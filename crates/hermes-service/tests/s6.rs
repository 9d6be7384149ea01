//! The s6 backend against a real `s6-svscan`, run as an ordinary process on a scan directory of its own: no container, no root.
//!
//! Where s6 is not installed (Debian: `apt-get install s6`) these tests say so and check nothing; with `HERMES_NEED_S6=1`, as in
//! CI, they fail.

#![expect(clippy::unwrap_used, reason = "these are tests: what is not as expected is a failure")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::config::RestartPolicy;
use hermes_core::{BootAction, Home, ProfileName};
use hermes_service::s6::{Crashes, Ending, S6, SlotMaker};
use hermes_service::{ServiceError, ServiceManager, Wait};
use rustix::fs::{Mode, OFlags};

const TOOLS: &str = "/usr/bin";
const SOON: Wait = Wait::AtMost(Duration::from_secs(20));

/// A gateway that says that it is ready and stays.
const READY: &str = "#!/bin/sh\necho >&3; exec 3>&-; exec sleep 1000\n";
/// One that cannot start.
const FAILS: &str = "#!/bin/sh\nexit 78\n";

struct Tree {
    folder: tempfile::TempDir,
    svscan: Child,
    s6: S6,
}

impl Tree {
    /// A tree without slots, whose slots will run `run`. Nothing where s6 is not installed.
    fn start(run: &str) -> Option<Self> {
        if !Path::new(TOOLS).join("s6-svscan").exists() {
            assert!(std::env::var_os("HERMES_NEED_S6").is_none(), "s6 is not installed");
            eprintln!("not checked: s6 is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for directory in ["home", "scan", "parts", "tools"] {
            fs::create_dir(path(directory)).unwrap();
        }
        for tool in ["s6-svc", "s6-svscanctl"] {
            symlink(Path::new(TOOLS).join(tool), path("tools").join(tool)).unwrap();
        }
        fs::write(path("parts/type"), "longrun\n").unwrap();
        fs::write(path("parts/notification-fd"), "3\n").unwrap();
        fs::write(path("parts/timeout-kill"), "3000\n").unwrap();
        executable(&path("parts/run"), run);
        executable(&path("parts/finish"), "#!/bin/sh\ntest \"$1\" != 78 || exit 125\n");
        executable(&path("parts/log-run"), "#!/bin/sh\nexec cat\n");
        let svscan = Command::new(Path::new(TOOLS).join("s6-svscan"))
            .arg("--")
            .arg(path("scan"))
            .stdin(Stdio::null())
            .stdout(fs::File::create(path("stdout")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let s6 = S6::new(Home::new(path("home")).unwrap(), path("scan"), path("tools"), path("parts"));
        let tree = Self { folder, svscan, s6 };
        // The FIFO is there before anybody reads it; without a reader, it cannot be opened to be written at once.
        let control = tree.scan().join(".s6-svscan/control");
        let to_write = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        until("s6-svscan listens", || rustix::fs::open(&control, to_write, Mode::empty()).is_ok());
        Some(tree)
    }

    fn scan(&self) -> PathBuf {
        self.folder.path().join("scan")
    }

    /// What is in the scan directory, `s6-svscan`'s own and the lock apart.
    fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.scan()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != ".s6-svscan" && name != ".lock").collect();
        names.sort();
        names
    }

    /// The `s6-supervise`s that are children of this tree's `s6-svscan`.
    fn supervisors(&self) -> usize {
        let id = self.svscan.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_ascii_whitespace().count()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = Command::new(Path::new(TOOLS).join("s6-svscanctl")).arg("-t").arg(self.scan()).status();
        let _ = self.svscan.wait();
    }
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        thread::yield_now();
    }
}

fn coder() -> ProfileName {
    ProfileName::new("coder").unwrap()
}

#[test]
fn a_gateway_is_registered_down_and_is_gone_without_a_trace_when_it_is_unregistered() {
    let Some(tree) = Tree::start(READY) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    assert_eq!(tree.s6.list_profile_gateways().unwrap(), [coder()]);
    let status = tree.s6.status(&coder()).unwrap().unwrap();
    assert!(!status.up && !status.wanted_up, "{status:?}");
    tree.s6.register_profile_gateway(&coder()).unwrap();
    assert_eq!(tree.supervisors(), 2, "the slot and its logger");

    tree.s6.start(&coder(), SOON).unwrap();
    for _ in 0..2 {
        tree.s6.unregister_profile_gateway(&coder()).unwrap();
        assert!(tree.s6.list_profile_gateways().unwrap().is_empty());
        assert_eq!(tree.entries(), Vec::<String>::new());
        assert_eq!(tree.s6.status(&coder()).unwrap(), None);
    }
    until("no supervisor is left", || tree.supervisors() == 0);
}

#[test]
fn a_start_is_over_when_the_gateway_is_ready_and_a_stop_when_it_is_down() {
    let Some(tree) = Tree::start(READY) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    tree.s6.start(&coder(), SOON).unwrap();
    let first = tree.s6.status(&coder()).unwrap().unwrap();
    assert!(first.up && first.ready && first.wanted_up, "{first:?}");
    assert!(!tree.s6.slot(&coder()).join("down").exists(), "a tree that comes back brings it up");
    tree.s6.start(&coder(), SOON).unwrap();
    assert_eq!(tree.s6.status(&coder()).unwrap().unwrap().pid, first.pid, "one that runs is left alone");

    tree.s6.restart(&coder(), SOON).unwrap();
    let second = tree.s6.status(&coder()).unwrap().unwrap();
    assert!(second.ready && second.pid != first.pid, "{second:?}");

    for _ in 0..2 {
        tree.s6.stop(&coder(), SOON).unwrap();
        let down = tree.s6.status(&coder()).unwrap().unwrap();
        assert!(!down.up && !down.wanted_up, "{down:?}");
    }
    assert!(tree.s6.slot(&coder()).join("down").exists());
    assert!(!tree.s6.is_running(&coder()).unwrap());
    tree.s6.restart(&coder(), SOON).unwrap();
    assert!(tree.s6.is_running(&coder()).unwrap(), "one that is down is started");
}

#[test]
fn what_is_read_is_what_s6_svstat_says() {
    let Some(tree) = Tree::start(READY) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    let svstat = || {
        let output = Command::new(Path::new(TOOLS).join("s6-svstat"))
            .args(["-o", "up,ready,wantedup,pid"])
            .arg(tree.s6.slot(&coder()))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let ours = || {
        let status = tree.s6.status(&coder()).unwrap().unwrap();
        let pid = status.pid.map_or(-1, i64::from);
        assert!(status.since.unwrap() < Duration::from_secs(30), "{status:?}");
        format!("{} {} {} {pid}", status.up, status.ready, status.wanted_up)
    };
    assert_eq!(ours(), svstat());
    tree.s6.start(&coder(), SOON).unwrap();
    assert_eq!(ours(), svstat());
    tree.s6.stop(&coder(), SOON).unwrap();
    assert_eq!(ours(), svstat());
}

#[test]
fn a_gateway_that_will_not_come_up_fails_the_start_long_before_the_deadline() {
    let Some(tree) = Tree::start(FAILS) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    let began = Instant::now();
    let error = tree.s6.start(&coder(), Wait::AtMost(Duration::from_secs(60))).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}: {error}", began.elapsed());
}

#[test]
fn a_gateway_that_does_not_get_ready_in_time_is_told_so() {
    let Some(tree) = Tree::start("#!/bin/sh\nexec sleep 1000\n") else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    let error = tree.s6.start(&coder(), Wait::AtMost(Duration::from_millis(100))).unwrap_err();
    assert!(matches!(error, ServiceError::TimedOut { awaited: "ready", .. }), "{error:?}");
}

#[test]
fn nobody_is_told_to_start_what_is_not_registered() {
    let Some(tree) = Tree::start(READY) else { return };
    for result in
        [tree.s6.start(&coder(), SOON), tree.s6.stop(&coder(), SOON), tree.s6.restart(&coder(), SOON)]
    {
        assert!(matches!(result, Err(ServiceError::NoSuchGateway { .. })), "{result:?}");
    }
}

#[test]
fn a_registration_whose_rescan_fails_says_why_and_leaves_nothing() {
    let Some(tree) = Tree::start(READY) else { return };
    let svscanctl = tree.folder.path().join("tools/s6-svscanctl");
    fs::remove_file(&svscanctl).unwrap();
    executable(&svscanctl, "#!/bin/sh\necho 'it is broken' >&2\nexit 111\n");
    let error = tree.s6.register_profile_gateway(&coder()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.ends_with("exit status: 111: it is broken") && cause.contains("s6-svscanctl -a"),
        "{cause}"
    );
    assert_eq!(tree.entries(), Vec::<String>::new());
}

#[test]
fn no_rescan_ever_sees_half_a_slot() {
    let Some(tree) = Tree::start(READY) else { return };
    let done = AtomicBool::new(false);
    let looked = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let rescan =
                    Command::new(Path::new(TOOLS).join("s6-svscanctl")).arg("-an").arg(tree.scan()).status();
                assert!(rescan.unwrap().success());
            }
        });
        // A second look, quicker than any rescan: what is there under a slot's name is whole.
        let watcher = scope.spawn(|| {
            let mut looked = 0_u64;
            while !done.load(Ordering::Relaxed) {
                for name in tree.entries().iter().filter(|name| !name.starts_with('.')) {
                    let slot = tree.scan().join(name);
                    let there = |part: &str| fs::symlink_metadata(slot.join(part)).is_ok();
                    let whole =
                        ["type", "run", "finish", "notification-fd", "timeout-kill", "log/run", "down"]
                            .iter()
                            .all(|part| there(part));
                    // It may have been removed meanwhile.
                    assert!(whole || !there(""), "half a slot: {name}");
                    looked += 1;
                }
            }
            looked
        });
        let maker = tree.s6.slot_maker().unwrap();
        let begin = Instant::now();
        let mut made = 0;
        while made < 3000 && begin.elapsed() < Duration::from_secs(20) {
            let profile = ProfileName::new(&format!("p{}", made % 7)).unwrap();
            assert!(maker.make(&profile, BootAction::Register).unwrap());
            fs::rename(maker.path(&profile), tree.scan().join(".old")).unwrap();
            // s6-supervise may be at work in it.
            let old = tree.scan().join(".old");
            until("the old slot is gone", || {
                let _ = fs::remove_dir_all(&old);
                !old.exists()
            });
            made += 1;
        }
        done.store(true, Ordering::Relaxed);
        assert!(made >= 300, "only {made}");
        watcher.join().unwrap()
    });
    assert!(looked > 0, "the watcher saw no slot");
}

#[test]
fn two_registrations_of_one_profile_make_one_slot() {
    let Some(tree) = Tree::start(READY) else { return };
    let maker = SlotMaker::new(&tree.scan(), &tree.folder.path().join("parts")).unwrap();
    let made: Vec<bool> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| maker.make(&coder(), BootAction::Register).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|&&made| made).count(), 1, "{made:?}");
    assert_eq!(tree.entries(), ["gateway-coder"], "nothing half-made is left");
}

/// A gateway takes a while until it is ready.
const SLOW: &str = "#!/bin/sh\nsleep 1\necho >&3; exec 3>&-; exec sleep 1000\n";

#[test]
fn the_restarts_of_the_last_hour_outlive_a_start_and_are_no_reason_to_restart_what_is_coming_up() {
    let Some(tree) = Tree::start(SLOW) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    let policy =
        RestartPolicy { max_crashes: 9, window: Duration::from_secs(60), max_delay: Duration::from_secs(3) };
    let mut crashes = Crashes::default();
    for _ in 0..2 {
        crashes.ended(Ending::Signal(9), true, &policy, Crashes::now());
    }
    crashes.save(&tree.s6.slot(&coder())).unwrap();
    let status = || tree.s6.status(&coder()).unwrap().unwrap();
    assert_eq!((status().restarts, status().restarted_ago.len()), (2, 2), "{:?}", status());

    tree.s6.start(&coder(), Wait::No).unwrap();
    until("it is coming up", || status().up);
    let first = status();
    assert_eq!((first.restarts, first.restarted_ago.len()), (0, 2), "{first:?}");
    assert!(first.restarted_ago.iter().all(|ago| *ago < Duration::from_secs(60)), "{first:?}");
    assert!(!first.ready, "this test looks while it is not ready: {first:?}");
    tree.s6.start(&coder(), SOON).unwrap();
    assert_eq!(status().pid, first.pid, "it has not failed since, and is left to come up");
}
