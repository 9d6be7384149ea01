//! Tests of orders at unusual moments: before supervision, while a gateway ends, while it is given up.

use std::fs;
use std::process::Command;
use std::thread;

use hermes_core::BootAction;
use hermes_core::config::RestartPolicy;
use hermes_service::s6::{Crashes, Ending};
use hermes_service::{Condition, ServiceManager, Wait};

use crate::tree::{READY, SOON, TOOLS, Tree, coder, executable, until};

/// A gateway that reports readiness, and ends after SIGTERM only when the file `end` exists.
const ENDS_LATE: &str = "#!/bin/sh\ntrap 'until [ -e ../../end ]; do sleep 0.01; done; exit 0' TERM\n\
                         echo >&3; exec 3>&-; while :; do sleep 0.01; done\n";

/// Creates the state after a boot: the slot exists and is up, and `s6-svscan` has not started.
fn after_a_boot(run: &str) -> Option<Tree> {
    let tree = Tree::without_svscan(run)?;
    assert!(tree.s6.slot_maker().unwrap().make(&coder(), BootAction::Start).unwrap());
    Some(tree)
}

#[test]
fn a_stop_before_supervision_takes_effect() {
    let Some(mut tree) = after_a_boot(READY) else { return };
    let s6 = tree.s6.clone();
    let stop = thread::spawn(move || s6.stop(&coder(), SOON));
    tree.supervise();
    stop.join().unwrap().unwrap();
    let status = tree.s6.status(&coder()).unwrap().unwrap();
    assert!(!status.up && !status.desired_up, "{status:?}");
}

#[test]
fn orders_before_supervision_keep_the_slot() {
    for starts in [true, false] {
        let Some(mut tree) = after_a_boot(READY) else { return };
        let s6 = tree.s6.clone();
        let order = thread::spawn(move || match starts {
            true => s6.start(&coder(), SOON),
            false => s6.register_profile_gateway(&coder()),
        });
        tree.supervise();
        order.join().unwrap().unwrap();
        until("it is ready", || tree.s6.status(&coder()).unwrap().is_some_and(|status| status.ready));
        assert_eq!(tree.entries(), ["gateway-coder"]);
    }
}

#[test]
fn a_start_during_a_stop_waits_for_the_new_process() {
    let Some(tree) = Tree::start(ENDS_LATE) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    tree.s6.start(&coder(), SOON).unwrap();
    let former = tree.s6.status(&coder()).unwrap().unwrap();
    tree.s6.stop(&coder(), Wait::No).unwrap();
    let ending = || tree.s6.status(&coder()).unwrap().is_some_and(|status| status.up && !status.desired_up);
    until("it ends", ending);
    let s6 = tree.s6.clone();
    let start = thread::spawn(move || {
        s6.start(&coder(), SOON).unwrap();
        s6.status(&coder()).unwrap().unwrap()
    });
    let wanted = || tree.s6.status(&coder()).unwrap().is_some_and(|status| status.desired_up);
    until("it is told to come up again", || wanted() || start.is_finished());
    fs::write(tree.folder.path().join("end"), "").unwrap();
    let started = start.join().unwrap();
    assert!(started.ready && started.pid != former.pid, "{started:?}, and before: {former:?}");
}

/// `finish` has recorded that the gateway is given up, and still runs.
#[test]
fn a_start_while_given_up_begins_afresh() {
    let Some(tree) =
        Tree::start("#!/bin/sh\n[ -e ../../repaired ] || exit 78\necho >&3; exec 3>&-; exec sleep 1000\n")
    else {
        return;
    };
    let file = |name: &str| tree.folder.path().join(name);
    executable(
        &file("parts/finish"),
        "#!/bin/sh\ntest \"$1\" = 78 || exit 0\ntouch ../../ending\nuntil [ -e ../../ordered ]; do sleep 0.01; done\nexit 125\n",
    );
    tree.s6.register_profile_gateway(&coder()).unwrap();
    tree.s6.start(&coder(), Wait::No).unwrap();
    until("it is being given up", || file("ending").exists());
    let mut crashes = Crashes::default();
    crashes.ended(Ending::Code(78), true, &RestartPolicy::default(), Crashes::now());
    assert!(crashes.gave_up.is_some(), "{crashes:?}");
    crashes.save(&tree.s6.slot(&coder())).unwrap();
    let condition = || Condition::of(tree.s6.status(&coder()).unwrap().as_ref(), None);
    assert_eq!(condition(), Condition::Crashed, "it is not given up before it is down");

    fs::write(file("repaired"), "").unwrap();
    // `finish` continues after an order.
    let svc = file("tools/s6-svc");
    fs::remove_file(&svc).unwrap();
    executable(
        &svc,
        &format!(
            "#!/bin/sh\n( sleep 0.1; touch {} ) &\nexec {TOOLS}/s6-svc \"$@\"\n",
            file("ordered").display()
        ),
    );
    tree.s6.start(&coder(), SOON).unwrap();
    let status = tree.s6.status(&coder()).unwrap().unwrap();
    assert!(status.ready && status.gave_up.is_none(), "{status:?}");
    assert_eq!(condition(), Condition::Running);
}

#[test]
fn a_restarting_gateway_is_not_crashed() {
    let Some(tree) = Tree::start(READY) else { return };
    let file = |name: &str| tree.folder.path().join(name);
    executable(
        &file("parts/finish"),
        "#!/bin/sh\ntouch ../../ending\nuntil [ -e ../../go-on ]; do sleep 0.01; done\n",
    );
    tree.s6.register_profile_gateway(&coder()).unwrap();
    tree.s6.start(&coder(), SOON).unwrap();
    tree.s6.restart(&coder(), Wait::No).unwrap();
    until("the former one has ended", || file("ending").exists());
    let status = tree.s6.status(&coder()).unwrap().unwrap();
    assert_eq!(Condition::of(Some(&status), None), Condition::Starting, "{status:?}");
    fs::write(file("go-on"), "").unwrap();
    until("it is ready", || tree.s6.status(&coder()).unwrap().is_some_and(|status| status.ready));
}

/// Returns the PID of the `s6-svlisten1` that waits on the slot of this tree.
fn listener(tree: &Tree) -> Option<String> {
    let slot = tree.s6.slot(&coder()).display().to_string();
    fs::read_dir("/proc").unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let words = fs::read_to_string(path.join("cmdline")).ok()?;
        let listens = words.split('\0').next()?.ends_with("s6-svlisten1") && words.contains(&slot);
        listens.then(|| path.file_name().unwrap().to_str().unwrap().to_owned())
    })
}

/// On a busy machine, a listener may run only after all events.
#[test]
fn a_restart_ends_even_with_late_notification() {
    let Some(tree) = Tree::start(READY) else { return };
    tree.s6.register_profile_gateway(&coder()).unwrap();
    tree.s6.start(&coder(), SOON).unwrap();
    let status = || tree.s6.status(&coder()).unwrap().unwrap();
    let former = status().pid;
    let s6 = tree.s6.clone();
    let restart = thread::spawn(move || s6.restart(&coder(), SOON));
    let signal = |name: &str, pid: &str| Command::new("kill").args([name, pid]).status().unwrap();
    let mut held = None;
    until("the new one is ready", || {
        let now = status();
        if held.is_none() {
            held = listener(&tree);
            if let Some(pid) = &held {
                signal("-STOP", pid);
            }
        }
        now.ready && now.pid != former
    });
    if let Some(pid) = held {
        signal("-CONT", &pid);
    }
    restart.join().unwrap().unwrap();
    assert!(status().ready && status().pid != former);
}
