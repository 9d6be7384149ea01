//! Tests of what changes, and in which order it is told.

use super::*;
use crate::fake::gateway;

fn then(before: &Snapshot, names: &[&str]) -> Snapshot {
    before.then(names.iter().map(|name| gateway(name)).collect(), &Mutex::default(), "/")
}

fn changes(snapshot: &Snapshot, since: u64) -> Vec<String> {
    let mut seen = Seen::up_to(since);
    let mut told = Vec::new();
    while let Some(change) = snapshot.change_after(seen) {
        seen = seen.and(&change);
        told.push(match change {
            Change::Row { name, .. } => name,
            Change::Gone { name, .. } => format!("-{name}"),
            Change::All { names, .. } => format!("all: {}", names.join(" ")),
        });
    }
    told
}

#[test]
fn each_change_is_told_once_to_whoever_has_not_seen_it() {
    let first = then(&Snapshot::default(), &["default", "a", "b"]);
    assert_eq!(changes(&first, 0), ["default", "a", "b"]);
    let second = then(&first, &["default", "b", "c"]);
    assert_eq!(changes(&second, first.version), ["c", "-a"]);
    assert_eq!(changes(&second, second.version), [] as [&str; 0]);
    let third = then(&second, &["default", "b", "c"]);
    assert_eq!(third.version, second.version, "nothing changed");
    assert_eq!(changes(&third, 0), ["default", "b", "c", "-a"]);
    // What came after the removal is told after it: else whoever has seen it would never hear of the removal.
    let fourth = then(&third, &["default", "b", "c", "d"]);
    assert_eq!(changes(&fourth, first.version), ["c", "-a", "d"]);
}

#[test]
fn who_has_seen_another_dashboard_or_what_is_forgotten_is_told_of_all_that_is_there() {
    let snapshot = then(&Snapshot::default(), &["default", "a"]);
    let all = ["all: default a", "default", "a"];
    assert_eq!(changes(&snapshot, snapshot.version + 1), all);
    // A dashboard that was started later counts on from the time of its start.
    let earlier = then(&Board::new().latest(), &["default", "a", "b"]);
    let later = then(&Board::new().latest(), &["default", "a"]);
    assert_eq!(changes(&later, earlier.version), all);
    assert_eq!(changes(&later, 0), all);
    let names: Vec<String> = (0..GONE_MAX + 10).map(|count| format!("p{count}")).collect();
    let many = then(&snapshot, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let gone = then(&many, &["default"]);
    assert_eq!(gone.gone.len(), GONE_MAX);
    assert_eq!(changes(&gone, many.version), ["all: default", "default"]);
}

#[test]
fn a_look_that_fails_keeps_what_was_seen() {
    let seen = then(&Snapshot::default(), &["default"]);
    let failed = seen.failed(Failure::new(crate::agents::FailureKind::Failed, "no"));
    assert_eq!((failed.rows.len(), failed.version), (1, seen.version));
    assert!(failed.failure.is_some());
    assert!(then(&failed, &["default"]).failure.is_none());
}
