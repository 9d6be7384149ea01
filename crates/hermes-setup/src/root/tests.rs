//! Root's half, on a volume in a temporary folder. Changing owners takes root: for anybody else these tests say so and check nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown, symlink};

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

fn settle(folder: &tempfile::TempDir, settled: Settled, known: Option<Record>) -> (Record, String) {
    let mut notices = Notices::default();
    let home = Directory::open(folder.path()).unwrap();
    let record = put_in_order(&home, folder.path(), settled, known, &mut notices);
    (record, notices.text().replace(&folder.path().display().to_string(), "HOME"))
}

#[test]
fn only_what_is_hermes_own_is_handed_over() {
    let Some(folder) = volume(Owner { uid: 1234, gid: 1234 }) else { return };
    settle(&folder, Settled { before: HERMES, now: HERMES }, None);
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
    let (_, text) = settle(&folder, remapped, None);
    assert_eq!(text, "10 files and directories are the account's now (1000:100)\n");
    for name in ["profiles/coder/SOUL.md", "sessions", "sessions/1.json", "workspace", "workspace/project/x"]
    {
        assert_eq!(uid(&folder, name), OPERATOR.uid, "{name}");
    }
    assert_eq!(uid(&folder, "workspace/project"), 55);
    for name in ["photos", "photos/1.jpg", "notes.txt"] {
        assert_eq!(uid(&folder, name), HERMES.uid, "{name}");
    }
    let (_, text) = settle(&folder, remapped, None);
    assert_eq!(text, "");
}

#[test]
fn a_new_group_reaches_what_had_the_former_one_and_a_record_of_another_account_is_not_believed() {
    let Some(folder) = volume(HERMES) else { return };
    let (record, _) = settle(&folder, Settled { before: HERMES, now: HERMES }, None);
    let regrouped = Owner { gid: 100, ..HERMES };
    let (record, _) = settle(&folder, Settled { before: HERMES, now: regrouped }, Some(record));
    assert_eq!(record.account, regrouped);
    let gid = |name: &str| fs::symlink_metadata(folder.path().join(name)).unwrap().gid();
    assert_eq!((gid("profiles/coder/SOUL.md"), gid("photos/1.jpg")), (100, 10000));
    // And on from there, in a new container, where the account begins with the image's IDs.
    let again = Owner { gid: 200, ..HERMES };
    settle(&folder, Settled { before: HERMES, now: again }, Some(record));
    assert_eq!(gid("profiles/coder/SOUL.md"), 200);
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
    settle(&folder, Settled { before: HERMES, now: OPERATOR }, None);
    let of = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    assert_eq!(of(elsewhere.path()), 0);
    assert_eq!(of(&elsewhere.path().join("gateways/precious")), 0);
}
