//! Tests of the changes and their order.

use super::*;
use crate::fake::gateway;

fn next(before: &Snapshot, names: &[&str]) -> Snapshot {
    before.next(names.iter().map(|name| gateway(name)).collect(), &Mutex::default(), "/")
}

fn changes(snapshot: &Snapshot, since: u64) -> Vec<String> {
    let mut seen = Seen::up_to(since);
    let mut found = Vec::new();
    while let Some(change) = snapshot.next_change(seen) {
        seen = seen.with(&change);
        found.push(match change {
            Change::Row { name, .. } => name,
            Change::Gone { name, .. } => format!("-{name}"),
            Change::All { names, .. } => format!("all: {}", names.join(" ")),
        });
    }
    found
}

#[test]
fn each_change_is_reported_once() {
    let first = next(&Snapshot::default(), &["default", "a", "b"]);
    assert_eq!(changes(&first, 0), ["default", "a", "b"]);
    let second = next(&first, &["default", "b", "c"]);
    assert_eq!(changes(&second, first.version), ["c", "-a"]);
    assert_eq!(changes(&second, second.version), [] as [&str; 0]);
    let third = next(&second, &["default", "b", "c"]);
    assert_eq!(third.version, second.version, "nothing changed");
    assert_eq!(changes(&third, 0), ["default", "b", "c", "-a"]);
    // A later change follows the removal. Otherwise a reader of the later change would never get the removal.
    let fourth = next(&third, &["default", "b", "c", "d"]);
    assert_eq!(changes(&fourth, first.version), ["c", "-a", "d"]);
}

#[test]
fn an_unknown_or_forgotten_version_gets_all_names() {
    let snapshot = next(&Snapshot::default(), &["default", "a"]);
    let all = ["all: default a", "default", "a"];
    assert_eq!(changes(&snapshot, snapshot.version + 1), all);
    // The versions of a dashboard begin at the time of its start.
    let earlier = next(&Board::new().latest(), &["default", "a", "b"]);
    let later = next(&Board::new().latest(), &["default", "a"]);
    assert_eq!(changes(&later, earlier.version), all);
    assert_eq!(changes(&later, 0), all);
    let names: Vec<String> = (0..GONE_MAX + 10).map(|count| format!("p{count}")).collect();
    let many = next(&snapshot, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let gone = next(&many, &["default"]);
    assert_eq!(gone.gone.len(), GONE_MAX);
    assert_eq!(changes(&gone, many.version), ["all: default", "default"]);
}

#[test]
fn a_failed_refresh_keeps_the_rows() {
    let seen = next(&Snapshot::default(), &["default"]);
    let failed = seen.failed(Report::new(hermes_operations::ReportKind::Failed, "no"));
    assert_eq!((failed.rows.len(), failed.version), (1, seen.version));
    assert!(failed.failure.is_some());
    assert!(next(&failed, &["default"]).failure.is_none());
}
