//! Tests of the s6 backend with a real `s6-svscan`, as an ordinary process on its own scan directory, without
//! a container or root.
//!
//! Without an installed s6 (Debian: `apt-get install s6`), the tests print that and check nothing. With
//! `HERMES_NEED_S6=1`, as in CI, they fail.

#![expect(clippy::unwrap_used, reason = "these are tests: what is not as expected is a failure")]

mod moments;
mod tree;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::config::RestartPolicy;
use hermes_core::{BootAction, ProfileName};
use hermes_service::s6::{Crashes, Ending, SlotMaker};
use hermes_service::{ServiceError, ServiceManager, Wait};

use tree::{FAILS, READY, SOON, TOOLS, Tree, coder, executable, until};

#[test]
fn an_unregistered_gateway_leaves_no_trace() {
    let Some(tree) = Tree::start(READY) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    assert_eq!(tree.s6.list_profile_gateways().unwrap(), [coder()]);
    let status = tree.s6.status(&coder()).unwrap().unwrap();
    assert!(!status.up && !status.desired_up, "{status:?}");
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
fn start_waits_for_readiness_and_stop_for_the_end() {
    let Some(tree) = Tree::start(READY) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    tree.s6.start(&coder(), SOON).unwrap();
    let first = tree.s6.status(&coder()).unwrap().unwrap();
    assert!(first.up && first.ready && first.desired_up, "{first:?}");
    assert!(!tree.s6.slot(&coder()).join("down").exists(), "a tree that comes back brings it up");
    tree.s6.start(&coder(), SOON).unwrap();
    assert_eq!(tree.s6.status(&coder()).unwrap().unwrap().pid, first.pid, "one that runs is left alone");

    tree.s6.restart(&coder(), SOON).unwrap();
    let second = tree.s6.status(&coder()).unwrap().unwrap();
    assert!(second.ready && second.pid != first.pid, "{second:?}");

    for _ in 0..2 {
        tree.s6.stop(&coder(), SOON).unwrap();
        let down = tree.s6.status(&coder()).unwrap().unwrap();
        assert!(!down.up && !down.desired_up, "{down:?}");
    }
    assert!(tree.s6.slot(&coder()).join("down").exists());
    assert!(!tree.s6.is_running(&coder()).unwrap());
    tree.s6.restart(&coder(), SOON).unwrap();
    assert!(tree.s6.is_running(&coder()).unwrap(), "one that is down is started");
}

#[test]
fn the_status_agrees_with_s6_svstat() {
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
        format!("{} {} {} {pid}", status.up, status.ready, status.desired_up)
    };
    assert_eq!(ours(), svstat());
    tree.s6.start(&coder(), SOON).unwrap();
    assert_eq!(ours(), svstat());
    tree.s6.stop(&coder(), SOON).unwrap();
    assert_eq!(ours(), svstat());
}

#[test]
fn start_fails_early_for_a_gateway_that_gives_up() {
    let Some(tree) = Tree::start(FAILS) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    let began = Instant::now();
    let error = tree.s6.start(&coder(), Wait::AtMost(Duration::from_secs(60))).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}: {error}", began.elapsed());
}

#[test]
fn start_fails_without_readiness_in_time() {
    let Some(tree) = Tree::start("#!/bin/sh\nexec sleep 1000\n") else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    let error = tree.s6.start(&coder(), Wait::AtMost(Duration::from_millis(100))).unwrap_err();
    assert!(matches!(error, ServiceError::TimedOut { awaited: "ready", .. }), "{error:?}");
}

#[test]
fn unregistered_gateways_take_no_orders() {
    let Some(tree) = Tree::start(READY) else { return };
    for result in
        [tree.s6.start(&coder(), SOON), tree.s6.stop(&coder(), SOON), tree.s6.restart(&coder(), SOON)]
    {
        assert!(matches!(result, Err(ServiceError::NoSuchGateway { .. })), "{result:?}");
    }
}

#[test]
fn a_failed_registration_leaves_no_slot() {
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
fn no_rescan_sees_an_incomplete_slot() {
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
        // This check is faster than any rescan: every visible slot is complete.
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
                    // The slot may have been removed meanwhile.
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
            // s6-supervise may still create files in it.
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
fn concurrent_registrations_make_one_slot() {
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

/// A gateway that needs a second until it is ready.
const SLOW: &str = "#!/bin/sh\nsleep 1\necho >&3; exec 3>&-; exec sleep 1000\n";

#[test]
fn a_start_keeps_restarts_and_spares_a_starting_gateway() {
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
