//! Tests of the half that root does, on a volume in a temporary directory. Only root can change owners, so the tests check nothing
//! for other users, and say so.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};

use proptest::prelude::*;

use super::*;
use crate::directory::Owner;

const HERMES: Owner = Owner { uid: 10000, gid: 10000 };
const OPERATOR: Owner = Owner { uid: 1000, gid: 100 };

/// Makes a volume with files of Hermes and of others, all of them `owner`'s. Returns `None` if this is not root.
fn volume(owner: Owner) -> Option<tempfile::TempDir> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not checked: only root can change owners");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for directory in ["profiles/coder/sub", "cron", "sessions", "workspace/project", "photos"] {
        fs::create_dir_all(folder.path().join(directory)).unwrap();
    }
    for file in [
        "config.yaml",
        "profiles/coder/SOUL.md",
        "sessions/1.json",
        "workspace/project/x",
        "photos/1.jpg",
        "notes.txt",
    ] {
        fs::write(folder.path().join(file), "x").unwrap();
    }
    give_all(folder.path(), owner);
    Some(folder)
}

fn give_all(path: &Path, owner: Owner) {
    lchown(path, Some(owner.uid), Some(owner.gid)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give_all(&entry.unwrap().path(), owner);
        }
    }
}

fn uid(folder: &tempfile::TempDir, name: &str) -> u32 {
    fs::symlink_metadata(folder.path().join(name)).unwrap().uid()
}

fn repair(folder: &tempfile::TempDir, remap: Remap) -> String {
    let mut notices = Notices::default();
    let home = Directory::open(folder.path()).unwrap();
    repair_owners(&home, folder.path(), remap, &mut notices);
    notices.text().replace(&folder.path().display().to_string(), "HOME")
}

#[test]
fn only_files_of_hermes_are_handed_over() {
    let Some(folder) = volume(Owner { uid: 1234, gid: 1234 }) else { return };
    repair(&folder, Remap { before: HERMES, now: HERMES });
    for name in
        ["config.yaml", "profiles/coder/SOUL.md", "profiles/coder/sub", "cron", "sessions", "workspace"]
    {
        assert_eq!(uid(&folder, name), HERMES.uid, "{name}");
    }
    for name in
        ["sessions/1.json", "workspace/project", "workspace/project/x", "photos", "photos/1.jpg", "notes.txt"]
    {
        assert_eq!(uid(&folder, name), 1234, "{name}");
    }
}

#[test]
fn remap_hands_over_files_of_the_former_account_only() {
    let Some(folder) = volume(HERMES) else { return };
    lchown(folder.path().join("workspace/project"), Some(55), Some(55)).unwrap();
    let remapped = Remap { before: HERMES, now: OPERATOR };
    let text = repair(&folder, remapped);
    assert_eq!(text, "10 files and directories are the account's now (1000:100)\n");
    for name in ["profiles/coder/SOUL.md", "sessions", "sessions/1.json", "workspace", "workspace/project/x"]
    {
        assert_eq!(uid(&folder, name), OPERATOR.uid, "{name}");
    }
    assert_eq!(uid(&folder, "workspace/project"), 55);
    for name in ["photos", "photos/1.jpg", "notes.txt"] {
        assert_eq!(uid(&folder, name), HERMES.uid, "{name}");
    }
    let text = repair(&folder, remapped);
    assert_eq!(text, "");
}

#[test]
fn new_container_reads_former_ids_from_the_record() {
    let Some(folder) = volume(Owner { uid: 0, gid: 0 }) else { return };
    let remap = |now| Remap { before: HERMES, now };
    repair(&folder, remap(OPERATOR));
    let home = fs::metadata(folder.path()).unwrap();
    assert_eq!((home.uid(), home.gid(), home.mode() & 0o7777), (0, OPERATOR.gid, 0o1775));
    assert_eq!(uid(&folder, "profiles/coder/SOUL.md"), OPERATOR.uid);
    // In a new container the account starts with the IDs of the image.
    let again = Owner { uid: 2000, gid: 200 };
    let text = repair(&folder, remap(again));
    assert_eq!(text, "8 files and directories are the account's now (2000:200)\n");
    let found = fs::metadata(folder.path().join("profiles/coder/SOUL.md")).unwrap();
    assert_eq!((found.uid(), found.gid()), (again.uid, again.gid));
    let regrouped = Owner { gid: 300, ..again };
    repair(&folder, remap(regrouped));
    assert_eq!(fs::metadata(folder.path().join("profiles/coder/SOUL.md")).unwrap().gid(), 300);
}

#[test]
fn directory_that_the_account_may_have_moved_stays_roots() {
    let Some(folder) = volume(HERMES) else { return };
    // The account could write HERMES_HOME, so it may have chosen every name there.
    for (name, owner, mode) in [("pairing", 0, 0o700), ("cron", 1234, 0o755), ("dashboard", 0, 0o755)] {
        let directory = folder.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("key"), "secret").unwrap();
        give_all(&directory, Owner { uid: owner, gid: owner });
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
    }
    let auth = folder.path().join("auth.json");
    fs::write(&auth, "secret").unwrap();
    fs::set_permissions(&auth, fs::Permissions::from_mode(0o600)).unwrap();
    let text = repair(&folder, Remap { before: HERMES, now: HERMES });
    assert!(text.contains("belongs to 0:0 and stays so; to give it to the account: "), "{text}");
    for (name, owner) in [("pairing", 0), ("cron", 1234), ("dashboard", 0)] {
        assert_eq!(uid(&folder, name), owner, "{name}");
        assert_eq!(uid(&folder, &format!("{name}/key")), owner, "{name}/key");
    }
    assert_eq!(uid(&folder, "auth.json"), 0);
}

#[test]
fn new_volume_of_an_engine_becomes_roots_when_in_order() {
    let Some(folder) = volume(HERMES) else { return };
    lchown(folder.path(), Some(HERMES.uid), Some(0)).unwrap();
    let secret = folder.path().join("auth.json");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let remap = Remap { before: HERMES, now: HERMES };
    repair(&folder, remap);
    assert_eq!(uid(&folder, ""), HERMES.uid, "the account may have moved the file there");
    fs::remove_file(&secret).unwrap();
    repair(&folder, remap);
    let home = fs::metadata(folder.path()).unwrap();
    assert_eq!((home.uid(), home.gid(), home.mode() & 0o1070), (0, HERMES.gid, 0o1070));
}

/// Generates a forged record in each format that existed, and in none.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let name =
        prop_oneof![Just("/etc"), Just(".."), Just("../outside"), Just("outside"), Just("a/b"), Just("")];
    let node = (0_u32..4, any::<u32>(), any::<i32>(), any::<u32>(), name).prop_map(
        |(depth, inode, seconds, nanoseconds, name)| {
            format!("{depth} {inode} {seconds} {nanoseconds} {name}\0")
        },
    );
    let tree = prop::collection::vec(node, 0..8).prop_map(|nodes| nodes.concat());
    let header = prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(uid, gid)| format!("hermes ownership 1 {uid} {gid}\n")),
        (any::<u32>(), any::<u32>()).prop_map(|(uid, gid)| format!("hermes account 2 {uid} {gid}\n")),
        Just("hermes account 2 1234 1234\n".to_owned()),
        Just("hermes account 2 0 0\n".to_owned()),
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (header, tree).prop_map(|(header, tree)| (header + &tree).into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn forged_record_changes_no_file_outside_of_hermes_directories(
        record in records(),
        record_uid in prop_oneof![Just(0_u32), Just(10000)],
        home_uid in prop_oneof![Just(0_u32), Just(10000), Just(1000)],
        sticky: bool,
    ) {
        let Some(folder) = volume(Owner { uid: home_uid, gid: home_uid }) else { return Ok(()) };
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("shadow"), "secret").unwrap();
        let path = folder.path().join(owned::OWNERSHIP_RECORD);
        fs::write(&path, &record).unwrap();
        lchown(&path, Some(record_uid), Some(record_uid)).unwrap();
        give_all(&folder.path().join("photos"), Owner { uid: 1234, gid: 1234 });
        symlink(outside.path(), folder.path().join("profiles/coder/link")).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(if sticky { 0o1775 } else { 0o775 })).unwrap();
        let seen = |path: &Path| {
            let found = fs::symlink_metadata(path).unwrap();
            (found.uid(), found.gid(), found.mode(), found.is_file().then(|| fs::read(path).unwrap()))
        };
        let places: Vec<_> = [outside.path().to_owned(), outside.path().join("shadow")]
            .into_iter()
            .chain(["photos", "photos/1.jpg", "notes.txt", "workspace/project/x", "sessions/1.json"].map(|name| folder.path().join(name)))
            .chain(["/etc", "/etc/passwd", "/etc/shadow"].map(Into::into))
            .collect();
        // In shared directories the account keeps the files that it had under a former ID.
        let is_formers = |place: &Path| home_uid == 10000 && ["workspace", "sessions"].iter().any(|name| place.starts_with(folder.path().join(name)));
        let stays = |place: &Path| !is_formers(place);
        let before: Vec<_> = places.iter().filter(|place| stays(place)).map(|place| seen(place)).collect();
        repair(&folder, Remap { before: HERMES, now: OPERATOR });
        let after: Vec<_> = places.iter().filter(|place| stays(place)).map(|place| seen(place)).collect();
        prop_assert_eq!(before, after);
    }
}

#[test]
fn symlink_in_place_of_a_directory_is_not_followed() {
    let Some(folder) = volume(HERMES) else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("gateways")).unwrap();
    fs::write(elsewhere.path().join("gateways/precious"), "x").unwrap();
    fs::remove_dir(folder.path().join("cron")).unwrap();
    for name in ["cron", "logs", "backups"] {
        symlink(elsewhere.path(), folder.path().join(name)).unwrap();
    }
    repair(&folder, Remap { before: HERMES, now: OPERATOR });
    let of = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    assert_eq!(of(elsewhere.path()), 0);
    assert_eq!(of(&elsewhere.path().join("gateways/precious")), 0);
}
