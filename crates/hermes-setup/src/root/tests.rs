//! Root's half, on a volume in a temporary folder. Changing owners takes root: for anybody else these tests say so and check nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};

use proptest::prelude::*;

use super::*;
use crate::account::Settled;
use crate::directory::Owner;

const HERMES: Owner = Owner { uid: 10000, gid: 10000 };
const OPERATOR: Owner = Owner { uid: 1000, gid: 100 };

/// A volume with what Hermes has and what others have, all of it `owner`'s; nothing where this is not root.
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

fn settle(folder: &tempfile::TempDir, settled: Settled) -> String {
    let mut notices = Notices::default();
    let home = Directory::open(folder.path()).unwrap();
    put_in_order(&home, folder.path(), settled, &mut notices);
    notices.text().replace(&folder.path().display().to_string(), "HOME")
}

#[test]
fn only_what_is_hermes_own_is_handed_over() {
    let Some(folder) = volume(Owner { uid: 1234, gid: 1234 }) else { return };
    settle(&folder, Settled { before: HERMES, now: HERMES });
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
fn what_the_account_had_under_another_id_goes_along_and_what_others_have_there_stays() {
    let Some(folder) = volume(HERMES) else { return };
    lchown(folder.path().join("workspace/project"), Some(55), Some(55)).unwrap();
    let remapped = Settled { before: HERMES, now: OPERATOR };
    let text = settle(&folder, remapped);
    assert_eq!(text, "10 files and directories are the account's now (1000:100)\n");
    for name in ["profiles/coder/SOUL.md", "sessions", "sessions/1.json", "workspace", "workspace/project/x"]
    {
        assert_eq!(uid(&folder, name), OPERATOR.uid, "{name}");
    }
    assert_eq!(uid(&folder, "workspace/project"), 55);
    for name in ["photos", "photos/1.jpg", "notes.txt"] {
        assert_eq!(uid(&folder, name), HERMES.uid, "{name}");
    }
    let text = settle(&folder, remapped);
    assert_eq!(text, "");
}

#[test]
fn former_ids_are_known_in_a_new_container_where_the_volume_is_roots() {
    let Some(folder) = volume(Owner { uid: 0, gid: 0 }) else { return };
    let settled = |now| Settled { before: HERMES, now };
    settle(&folder, settled(OPERATOR));
    let home = fs::metadata(folder.path()).unwrap();
    assert_eq!((home.uid(), home.gid(), home.mode() & 0o7777), (0, OPERATOR.gid, 0o1775));
    assert_eq!(uid(&folder, "profiles/coder/SOUL.md"), OPERATOR.uid);
    // In a new container the account begins with the image's IDs.
    let again = Owner { uid: 2000, gid: 200 };
    let text = settle(&folder, settled(again));
    assert_eq!(text, "8 files and directories are the account's now (2000:200)\n");
    let found = fs::metadata(folder.path().join("profiles/coder/SOUL.md")).unwrap();
    assert_eq!((found.uid(), found.gid()), (again.uid, again.gid));
    let regrouped = Owner { gid: 300, ..again };
    settle(&folder, settled(regrouped));
    assert_eq!(fs::metadata(folder.path().join("profiles/coder/SOUL.md")).unwrap().gid(), 300);
}

#[test]
fn a_directory_that_the_account_renamed_into_a_place_of_hermes_stays_roots() {
    let Some(folder) = volume(HERMES) else { return };
    // The account wrote HERMES_HOME, so every name in it may be its choice.
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
    let text = settle(&folder, Settled { before: HERMES, now: HERMES });
    assert!(text.contains("belongs to 0:0 and stays so; to give it to the account: "), "{text}");
    for (name, owner) in [("pairing", 0), ("cron", 1234), ("dashboard", 0)] {
        assert_eq!(uid(&folder, name), owner, "{name}");
        assert_eq!(uid(&folder, &format!("{name}/key")), owner, "{name}/key");
    }
    assert_eq!(uid(&folder, "auth.json"), 0);
}

#[test]
fn a_volume_of_an_engine_becomes_roots_when_everything_is_in_order() {
    let Some(folder) = volume(HERMES) else { return };
    lchown(folder.path(), Some(HERMES.uid), Some(0)).unwrap();
    let secret = folder.path().join("auth.json");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let settled = Settled { before: HERMES, now: HERMES };
    settle(&folder, settled);
    assert_eq!(uid(&folder, ""), HERMES.uid, "the account may have moved the file there");
    fs::remove_file(&secret).unwrap();
    settle(&folder, settled);
    let home = fs::metadata(folder.path()).unwrap();
    assert_eq!((home.uid(), home.gid(), home.mode() & 0o1070), (0, HERMES.gid, 0o1070));
}

/// A forged record, in the words of each format that there was, and of none.
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
    fn no_record_reaches_anything_outside_hermes_places(
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
        // In shared directories the account keeps what it had under a former ID.
        let is_formers = |place: &Path| home_uid == 10000 && ["workspace", "sessions"].iter().any(|name| place.starts_with(folder.path().join(name)));
        let stays = |place: &Path| !is_formers(place);
        let before: Vec<_> = places.iter().filter(|place| stays(place)).map(|place| seen(place)).collect();
        settle(&folder, Settled { before: HERMES, now: OPERATOR });
        let after: Vec<_> = places.iter().filter(|place| stays(place)).map(|place| seen(place)).collect();
        prop_assert_eq!(before, after);
    }
}

#[test]
fn a_directory_of_hermes_that_is_a_symlink_leads_nowhere() {
    let Some(folder) = volume(HERMES) else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("gateways")).unwrap();
    fs::write(elsewhere.path().join("gateways/precious"), "x").unwrap();
    fs::remove_dir(folder.path().join("cron")).unwrap();
    for name in ["cron", "logs", "backups"] {
        symlink(elsewhere.path(), folder.path().join(name)).unwrap();
    }
    settle(&folder, Settled { before: HERMES, now: OPERATOR });
    let of = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    assert_eq!(of(elsewhere.path()), 0);
    assert_eq!(of(&elsewhere.path().join("gateways/precious")), 0);
}
