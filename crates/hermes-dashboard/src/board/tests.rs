//! Tests of what changes, and in which order it is told.

use super::*;
use crate::fake::gateway;

fn then(before: &Snapshot, names: &[&str]) -> Snapshot {
    before.then(names.iter().map(|name| gateway(name)).collect(), &Mutex::default(), "/")
}

fn changes(snapshot: &Snapshot, mut since: u64) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(change) = snapshot.change_after(since) {
        match change {
            Change::Row { version, name, .. } => {
                told.push(name);
                since = version;
            }
            Change::Gone { version, name } => {
                told.push(format!("-{name}"));
                since = version;
            }
            Change::LoadAgain => {
                told.push("again".into());
                break;
            }
        }
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
fn a_version_of_another_dashboard_and_one_that_is_forgotten_load_the_page_again() {
    let snapshot = then(&Snapshot::default(), &["default"]);
    assert_eq!(changes(&snapshot, snapshot.version + 1), ["again"]);
    let names: Vec<String> = (0..GONE_MAX + 10).map(|count| format!("p{count}")).collect();
    let many = then(&snapshot, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let gone = then(&many, &["default"]);
    assert_eq!(gone.gone.len(), GONE_MAX);
    assert_eq!(changes(&gone, many.version), ["again"]);
}

#[test]
fn a_look_that_fails_keeps_what_was_seen() {
    let seen = then(&Snapshot::default(), &["default"]);
    let failed = seen.failed(Failure::new(crate::agents::FailureKind::Failed, "no"));
    assert_eq!((failed.rows.len(), failed.version), (1, seen.version));
    assert!(failed.failure.is_some());
    assert!(then(&failed, &["default"]).failure.is_none());
}
