//! Tests of the lease of a volume.

use std::fs;

use proptest::prelude::*;

use super::super::record::TTL_MAX;
use super::*;

fn holder(owner: &str, host: &str) -> Holder {
    Holder { owner: owner.into(), host: host.into(), instance: format!("{owner} on {host}") }
}

fn volume(folder: &tempfile::TempDir, owner: &str, host: &str) -> VolumeLease {
    VolumeLease::new(Home::new(folder.path()).unwrap(), holder(owner, host))
}

fn on_disk(folder: &tempfile::TempDir) -> Lease {
    serde_json::from_slice(&fs::read(folder.path().join("lease.json")).unwrap()).unwrap()
}

#[track_caller]
fn expect_held(acquire: Result<Acquire, LeaseError>) -> Held {
    match acquire.unwrap() {
        Acquire::Held(held) => held,
        Acquire::Obstacle(obstacle) => panic!("another holds the lease: {obstacle:?}"),
    }
}

#[track_caller]
fn expect_obstacle(acquire: Result<Acquire, LeaseError>) -> Obstacle {
    match acquire.unwrap() {
        Acquire::Held(held) => panic!("the lease was free: {held:?}"),
        Acquire::Obstacle(obstacle) => obstacle,
    }
}

#[track_caller]
fn renew(lease: &VolumeLease, held: &mut Held) {
    let renewal = lease.renew(held).unwrap();
    assert!(matches!(renewal, Renewal::Renewed), "{renewal:?}");
}

#[test]
fn a_held_lease_is_refused_with_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (volume(&folder, "one", "here"), volume(&folder, "two", "here"));
    let mut held = expect_held(one.take());
    let obstacle = expect_obstacle(two.take());
    assert!(obstacle.is_locked);
    assert_eq!(obstacle.lease.unwrap().holder, holder("one", "here"));
    renew(&one, &mut held);
    assert_eq!(on_disk(&folder).beat, 2);
}

#[test]
fn a_killed_holder_on_this_machine_loses_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // A drop releases the lock, as the kernel does for a killed process.
    drop(expect_held(volume(&folder, "one", "here").take()));
    assert_eq!(on_disk(&folder).holder.owner, "one");
    expect_held(volume(&folder, "two", "here").take());
    assert_eq!(on_disk(&folder).holder.owner, "two");
}

#[test]
fn a_remote_holder_loses_only_without_beats() {
    let folder = tempfile::tempdir().unwrap();
    let (there, here) = (volume(&folder, "one", "there"), volume(&folder, "two", "here"));
    // This machine does not see the lock of the other.
    let mut held = expect_held(there.take());
    held._lock = None;
    let first = expect_obstacle(here.take());
    assert!(!first.is_locked && first.ttl() == TTL);
    renew(&there, &mut held);
    let second = expect_obstacle(here.take_over(&first));
    assert!(second.has_moved_since(&first), "it beats");
    expect_held(here.take_over(&second));
    let Renewal::Lost(lost) = there.renew(&mut held).unwrap() else { panic!("the lease was renewed") };
    assert_eq!(lost.lease.unwrap().holder.owner, "two", "the first learns it at its next beat");
    assert_eq!(on_disk(&folder).holder.owner, "two", "and leaves the other's lease alone");
}

#[test]
fn clock_jumps_do_not_affect_the_lease() {
    let folder = tempfile::tempdir().unwrap();
    let write = |heartbeat: &str| {
        let lease = format!(
            r#"{{"owner":"one","host":"there","instance":"x","beat":7,"heartbeat":"{heartbeat}","ttl_seconds":3}}"#
        );
        fs::write(folder.path().join("lease.json"), lease).unwrap();
    };
    for heartbeat in ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
        write(heartbeat);
        let here = volume(&folder, "two", "here");
        let obstacle = expect_obstacle(here.take());
        assert_eq!(obstacle.ttl(), Duration::from_secs(3));
        expect_held(here.take_over(&obstacle));
    }
}

#[test]
fn a_malformed_lease_blocks_until_it_stays_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in ["", "null", "[]", "{\"owner\":1}", "\u{fffd}"] {
        fs::write(folder.path().join("lease.json"), bytes).unwrap();
        let here = volume(&folder, "two", "here");
        let obstacle = expect_obstacle(here.take());
        assert_eq!((obstacle.lease.clone(), obstacle.ttl()), (None, TTL), "{bytes}");
        expect_held(here.take_over(&obstacle));
    }
}

#[test]
fn a_boot_regains_and_releases_its_own_lease() {
    let folder = tempfile::tempdir().unwrap();
    let one = volume(&folder, "one", "here");
    drop(expect_held(one.take()));
    let held = expect_held(one.take());
    one.give_back(held).unwrap();
    assert!(!folder.path().join("lease.json").exists());
}

#[test]
fn the_lease_of_another_holder_is_not_released() {
    let folder = tempfile::tempdir().unwrap();
    let one = volume(&folder, "one", "there");
    let mut held = expect_held(one.take());
    held._lock = None;
    let two = volume(&folder, "two", "here");
    let dead = expect_obstacle(two.take());
    let _held = expect_held(two.take_over(&dead));
    one.give_back(held).unwrap();
    assert_eq!(on_disk(&folder).holder.owner, "two");
}

proptest! {
    #[test]
    fn a_lease_of_any_content_can_be_taken_over(
        owner in "\\PC{0,8}", beat in prop_oneof![any::<u64>(), Just(u64::MAX)], ttl in any::<Option<u64>>(),
        host in "here|there", noise in prop::collection::vec(any::<u8>(), 0..60), cut in 0..200_usize,
    ) {
        let holder = Holder { owner, host, instance: "x".into() };
        let lease = Lease { holder, beat, heartbeat: String::new(), ttl_seconds: ttl };
        let whole = serde_json::to_vec(&lease).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<Lease>(&whole).unwrap(), &lease);
        prop_assert!(lease.ttl() >= Duration::from_secs(1) && lease.ttl() <= TTL_MAX);
        let part = whole[..cut.min(whole.len())].to_vec();
        for bytes in [noise, part, whole] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("lease.json"), bytes).unwrap();
            let here = volume(&folder, "two", "here");
            let mut held = match here.take().unwrap() {
                Acquire::Held(held) => held,
                Acquire::Obstacle(obstacle) => expect_held(here.take_over(&obstacle)),
            };
            renew(&here, &mut held);
            prop_assert_eq!(on_disk(&folder).holder.owner, "two");
        }
    }
}
