//! The places that may sleep: a wait is for a condition, with a deadline.

use std::fs;

use crate::repository::{files, none, root};

/// The files that may pause for a fixed time, and the reason.
const SLEEPS: &[(&str, &str)] = &[
    ("crates/hermes-os/src/lock_file.rs", "the pause between two tries to take a lock, under a deadline"),
    (
        "crates/hermes-server/src/write_timeout.rs",
        "the deadline of a client that reads nothing of its answer",
    ),
    (
        "crates/hermes/src/commands/container/gateway_run.rs",
        "the growing delay after a crash: the time itself is the promise",
    ),
    ("crates/hermes-os/src/waiting.rs", "the pause between two looks at a condition, under a deadline"),
    (
        "crates/hermes-gateway/src/lock.rs",
        "the pause between two tries for a lock that others look at, under a deadline",
    ),
    (
        "crates/hermes-init/src/forwarder/mod.rs",
        "the back-off of a forwarder that ended at once: the time itself is the promise",
    ),
    ("crates/hermes-init/src/tree.rs", "the pause between two looks at a condition, under a deadline"),
    ("crates/hermes-init/src/user_tree.rs", "the pause between two looks at a condition, under a deadline"),
    (
        "crates/hermes-service/src/manager/readiness.rs",
        "the pause between two looks at a gateway, under a deadline",
    ),
    ("harness/container/src/exec.rs", "the pause between two looks at an exec that has ended"),
    ("harness/container/src/wait.rs", "the pause between two looks of every wait"),
    (
        "harness/src/tasks/bench/streams.rs",
        "the pause between two looks at the memory, until the streams end",
    ),
];

/// This file names the calls that it looks for.
const THIS_FILE: &str = "xtask/tests/tidy/waits.rs";

#[test]
fn nothing_waits_for_a_fixed_time() {
    let sleeps = files(&[".rs"])
        .into_iter()
        .filter(|(name, _)| name != THIS_FILE && !SLEEPS.iter().any(|(file, _)| file == name))
        .flat_map(|(name, text)| {
            let lines = text.lines().enumerate();
            let found =
                lines.filter(|(_, line)| line.contains("thread::sleep(") || line.contains("time::sleep("));
            found.map(|(index, _)| format!("{name}:{}", index + 1)).collect::<Vec<_>>()
        })
        .collect();
    none("wait for a condition with a deadline; a pause between two looks is named in SLEEPS", sleeps);
}

#[test]
fn every_file_in_sleeps_sleeps() {
    let idle = SLEEPS
        .iter()
        .filter(|(file, _)| !fs::read_to_string(root().join(file)).is_ok_and(|text| text.contains("sleep(")))
        .map(|(file, _)| (*file).to_owned())
        .collect();
    none("SLEEPS names a file that does not sleep", idle);
}
