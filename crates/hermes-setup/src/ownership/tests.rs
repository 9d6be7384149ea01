//! Walks through real trees. Only root can change owners, so the tests check nothing for other users, and say so.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const ACCOUNT: Owner = Owner { uid: 4711, gid: 4712 };

const ROOT: Owner = Owner { uid: 0, gid: 0 };

fn identities() -> Identities {
    Identities { account: ACCOUNT, former_uids: vec![10000], home_owner: None, former_gid: None }
}

struct Volume(tempfile::TempDir);

impl Volume {
    /// Makes a volume with `profiles/coder/a/b`, all of it the account's.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not checked: only root can change owners");
            return None;
        }
        let volume = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(volume.path("profiles/coder/a/b")).unwrap();
        fs::write(volume.path("profiles/coder/SOUL.md"), "x").unwrap();
        fs::write(volume.path("profiles/coder/a/b/file"), "x").unwrap();
        for name in ["", "profiles", "profiles/coder", "profiles/coder/SOUL.md"] {
            volume.give(name, ACCOUNT);
        }
        for name in ["profiles/coder/a", "profiles/coder/a/b", "profiles/coder/a/b/file"] {
            volume.give(name, ACCOUNT);
        }
        Some(volume)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn give(&self, name: &str, owner: Owner) {
        lchown(self.path(name), Some(owner.uid), Some(owner.gid)).unwrap();
    }

    fn owner(&self, name: &str) -> Owner {
        let found = fs::symlink_metadata(self.path(name)).unwrap();
        Owner { uid: found.uid(), gid: found.gid() }
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Makes a file of root, and the directories on its path.
    fn plant(&self, name: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        self.mode(name, mode);
    }

    /// Walks through `profiles/` in a directory over which the account has `control`. Returns the notices.
    fn walk_as(&self, identities: Identities, control: Control) -> String {
        let mut notices = Notices::default();
        let mut walk = Walk::new(identities, &mut notices);
        let home = Directory::open(self.0.path()).unwrap();
        let mut path = self.path("profiles");
        walk.tree(&home, control, OsStr::new("profiles"), &mut path);
        assert_eq!(path, self.path("profiles"), "the walk restores the path");
        walk.end();
        notices.text().replace(&self.0.path().display().to_string(), "HOME")
    }

    fn walk(&self) -> String {
        self.walk_as(identities(), Control::Account)
    }
}

#[test]
fn tree_in_a_directory_that_only_root_writes_is_given() {
    let Some(volume) = Volume::new() else { return };
    volume.plant("profiles/coder/of-root/file", 0o600);
    volume.mode("profiles/coder/of-root", 0o700);
    volume.give("profiles/coder/a/b/file", Owner { uid: 10000, gid: 1 });
    for name in ["profiles", "profiles/coder"] {
        volume.give(name, ROOT);
    }
    let text = volume.walk_as(identities(), Control::Root);
    assert_eq!(text, "5 files and directories are the account's now (4711:4712)\n");
    for name in ["", "/coder", "/coder/of-root", "/coder/of-root/file", "/coder/a/b/file"] {
        assert_eq!(volume.owner(&format!("profiles{name}")), ACCOUNT, "{name}");
    }
    assert_eq!(volume.walk(), "");
}

#[test]
fn private_file_that_the_account_may_have_moved_stays_roots() {
    let Some(volume) = Volume::new() else { return };
    volume.plant("profiles/coder/private", 0o600);
    volume.plant("profiles/coder/public", 0o644);
    volume.plant("profiles/coder/ops/key", 0o600);
    volume.plant("profiles/coder/tools/public", 0o644);
    fs::create_dir_all(volume.path("profiles/coder/way/to/mount")).unwrap();
    let text = volume.walk();
    assert!(text.contains("HOME/profiles/coder/"), "{text}");
    assert!(
        text.contains(" (and 4 more) belongs to 0:0 and stays so; to give it to the account: "),
        "{text}"
    );
    assert!(text.ends_with("4 files and directories are the account's now (4711:4712)\n"), "{text}");
    for name in ["private", "ops", "ops/key", "tools", "tools/public"] {
        assert_eq!(volume.owner(&format!("profiles/coder/{name}")), ROOT, "{name}");
    }
    for name in ["public", "way", "way/to", "way/to/mount"] {
        assert_eq!(volume.owner(&format!("profiles/coder/{name}")), ACCOUNT, "{name}");
    }
}

#[test]
fn file_of_a_third_user_is_never_given() {
    let Some(volume) = Volume::new() else { return };
    let somebody = Owner { uid: 1234, gid: 1234 };
    volume.plant("profiles/theirs/file", 0o644);
    for name in ["profiles/theirs", "profiles/theirs/file", "profiles/coder/a"] {
        volume.give(name, somebody);
    }
    for control in [Control::Root, Control::Shared, Control::Account, Control::Unknown] {
        volume.walk_as(identities(), control);
        for name in ["profiles/theirs", "profiles/theirs/file", "profiles/coder/a"] {
            assert_eq!(volume.owner(name), somebody, "{name} with {control:?}");
        }
    }
}

#[test]
fn links_are_refused_and_devices_are_skipped() {
    let Some(volume) = Volume::new() else { return };
    fs::write(volume.path("precious"), "x").unwrap();
    symlink(volume.path("precious"), volume.path("profiles/coder/link")).unwrap();
    symlink("/", volume.path("profiles/coder/root")).unwrap();
    volume.give("profiles/coder/root", ACCOUNT);
    fs::hard_link(volume.path("precious"), volume.path("profiles/coder/hard")).unwrap();
    let device = volume.path("profiles/coder/null");
    let is_made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &device,
        FileType::CharacterDevice,
        rustix::fs::Mode::RUSR,
        rustix::fs::makedev(1, 3),
    );
    let text = volume.walk();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @"
    refusing to follow the symlink HOME/profiles/coder/link: it is left alone; remove it, or give it to the account (chown -h)
    refusing to hand HOME/profiles/coder/hard over: it is a hard link, and has other names elsewhere; copy it if Hermes needs it
    ");
    assert_eq!(volume.owner("precious").uid, 0);
    assert_eq!(volume.owner("profiles/coder/link").uid, 0);
    if is_made.is_ok() {
        assert_eq!(volume.owner("profiles/coder/null").uid, 0);
    }
}

#[test]
fn only_the_former_group_of_a_file_is_changed() {
    let Some(volume) = Volume::new() else { return };
    volume.give("profiles/coder/a/b/file", Owner { gid: 100, ..ACCOUNT });
    volume.give("profiles/coder/SOUL.md", Owner { gid: 10000, ..ACCOUNT });
    volume.walk_as(Identities { former_gid: Some(10000), ..identities() }, Control::Account);
    assert_eq!(volume.owner("profiles/coder/a/b/file").gid, 100);
    assert_eq!(volume.owner("profiles/coder/SOUL.md"), ACCOUNT);
}

#[test]
fn shared_directory_hands_over_files_of_the_former_account_only() {
    let Some(volume) = Volume::new() else { return };
    let former = Owner { uid: 10000, gid: 10000 };
    for name in ["profiles", "profiles/coder", "profiles/coder/a", "profiles/coder/a/b/file"] {
        volume.give(name, former);
    }
    volume.give("profiles/coder/a/b", Owner { uid: 55, gid: 55 });
    let mut notices = Notices::default();
    let mut walk = Walk::new(identities(), &mut notices);
    let home = Directory::open(volume.0.path()).unwrap();
    walk.contents_of_former_account(&home, OsStr::new("profiles"), &mut volume.path("profiles"));
    walk.end();
    assert_eq!(notices.text(), "3 files and directories are the account's now (4711:4712)\n");
    assert_eq!(volume.owner("profiles"), former, "the directory itself comes last");
    assert_eq!(volume.owner("profiles/coder"), ACCOUNT);
    assert_eq!(volume.owner("profiles/coder/a/b"), Owner { uid: 55, gid: 55 });
    assert_eq!(volume.owner("profiles/coder/a/b/file"), ACCOUNT);
}

#[test]
fn deeply_nested_directories_end_the_walk() {
    let Some(volume) = Volume::new() else { return };
    let mut directory = Directory::open(&volume.path("profiles/coder")).unwrap();
    for _ in 0..2000 {
        directory.make("d", 0o755).unwrap();
        directory = directory.child(OsStr::new("d")).unwrap();
    }
    let text = volume.walk();
    assert!(text.contains("is too deep"), "{text}");
}

/// The account keeps swapping a directory for a symlink. Root puts files of its own there, so that the walk has work.
#[test]
fn directory_swapped_for_a_symlink_is_not_followed() {
    let Some(volume) = Volume::new() else { return };
    let precious = volume.path("precious");
    fs::create_dir_all(precious.join("b")).unwrap();
    for file in [precious.join("file"), precious.join("b/file"), precious.join("b/other")] {
        fs::write(file, "x").unwrap();
    }
    let (inside, link) = (volume.path("profiles/coder/a"), volume.path("link"));
    symlink(&precious, &link).unwrap();
    fs::write(volume.path("profiles/coder/a/b/other"), "x").unwrap();
    /// Ends the swapping when the walks end, also after a panic.
    struct End<'e>(&'e AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let end = AtomicBool::new(false);
    let swaps = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let mut swaps = 0_u64;
            while !end.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, &inside, rustix::fs::CWD, &link, flags).unwrap();
                swaps += 1;
            }
            swaps
        });
        let ending = End(&end);
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            for place in [&inside, &link] {
                // One of both is the real directory at the moment.
                let _ = fs::symlink_metadata(place).map(|found| {
                    if found.is_dir() {
                        let _ = lchown(place.join("b/other"), Some(0), Some(0));
                    }
                });
            }
            // The same files, in case the line above went through the link.
            for file in ["file", "b/file", "b/other", "b", ""] {
                chown(precious.join(file), Some(7), Some(7)).unwrap();
            }
            volume.walk();
            for file in ["file", "b/file", "b/other", "b", ""] {
                assert_eq!(fs::metadata(precious.join(file)).unwrap().uid(), 7, "{file}");
            }
        }
        drop(ending);
        swapping.join().unwrap()
    });
    assert!(swaps > 100, "{swaps} swaps");
}

#[test]
fn mount_points_of_this_machine_include_root() {
    assert!(mount_points().contains(Path::new("/")));
}
