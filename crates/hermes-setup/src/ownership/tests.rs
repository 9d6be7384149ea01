//! Walks through real trees. Changing owners takes root: for anybody else these tests say so and check nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const ACCOUNT: Owner = Owner { uid: 4711, gid: 4712 };

const RULE: Rule = Rule { account: ACCOUNT, former_gid: None, only_of: None };

struct Volume(tempfile::TempDir);

impl Volume {
    /// With `profiles/coder/a/b` in it, all of it the account's.
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

    /// A walk through `profiles/`, in a time when everything is settled: what it remembers, what it said, at how much it looked.
    fn walk(&self, rule: Rule, known: Option<&Node>) -> (Option<Node>, String, u64) {
        let mut notices = Notices::default();
        let mut walk = Walk::new(rule, &mut notices);
        walk.now += 60;
        let home = Directory::open(self.0.path()).unwrap();
        let mut path = self.path("profiles");
        let node = walk.tree(&home, OsStr::new("profiles"), &mut path, known);
        assert_eq!(path, self.path("profiles"), "the path is as it was");
        let looked_at = walk.looked_at();
        walk.end();
        let text = notices.text().replace(&self.0.path().display().to_string(), "HOME");
        (node, text, looked_at)
    }
}

#[test]
fn what_is_nested_and_not_the_accounts_is_handed_over() {
    let Some(volume) = Volume::new() else { return };
    fs::create_dir(volume.path("profiles/coder/of-root")).unwrap();
    fs::write(volume.path("profiles/coder/of-root/file"), "x").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, volume.path("profiles/coder/fifo"), rustix::fs::Mode::RUSR)
        .unwrap();
    volume.give("profiles/coder/a/b/file", Owner { uid: 1, gid: 1 });
    let (_, text, _) = volume.walk(RULE, None);
    assert_eq!(text, "4 files and directories are the account's now (4711:4712)\n");
    for name in ["of-root", "of-root/file", "fifo", "a/b/file"] {
        assert_eq!(volume.owner(&format!("profiles/coder/{name}")), ACCOUNT, "{name}");
    }
    let (_, text, _) = volume.walk(RULE, None);
    assert_eq!(text, "");
}

#[test]
fn links_and_devices_are_left_alone_and_links_are_named() {
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
    let (_, text, _) = volume.walk(RULE, None);
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
fn what_is_remembered_is_not_looked_at_and_what_came_since_is() {
    let Some(volume) = Volume::new() else { return };
    for number in 0..200 {
        let name = format!("profiles/coder/a/b/{number}");
        fs::write(volume.path(&name), "x").unwrap();
        volume.give(&name, ACCOUNT);
    }
    let (known, text, all) = volume.walk(RULE, None);
    assert_eq!((text.as_str(), all), ("", 206), "three directories, the tree itself, and 202 files");
    let (again, _, few) = volume.walk(RULE, known.as_ref());
    assert_eq!(again, known);
    assert!(few <= 5, "it looked at {few}");

    fs::create_dir(volume.path("profiles/coder/a/new")).unwrap();
    fs::write(volume.path("profiles/coder/a/new/file"), "x").unwrap();
    let (known, text, some) = volume.walk(RULE, known.as_ref());
    assert_eq!(text, "2 files and directories are the account's now (4711:4712)\n");
    assert!(some < 20, "it looked at {some}");
    assert_eq!(volume.owner("profiles/coder/a/new/file"), ACCOUNT);

    // The owner of a directory is looked at in any case, and so are the files that a gateway needs.
    volume.give("profiles/coder/a/b", Owner { uid: 0, gid: 0 });
    volume.give("profiles/coder/SOUL.md", Owner { uid: 0, gid: 0 });
    let (known, text, _) = volume.walk(RULE, known.as_ref());
    assert_eq!(text, "2 files and directories are the account's now (4711:4712)\n");
    assert_eq!(volume.owner("profiles/coder/SOUL.md"), ACCOUNT);

    // A file that replaces another, a directory that is another one.
    fs::write(volume.path("profiles/coder/a/b/.tmp"), "x").unwrap();
    fs::rename(volume.path("profiles/coder/a/b/.tmp"), volume.path("profiles/coder/a/b/7")).unwrap();
    fs::rename(volume.path("profiles/coder/a/new"), volume.path("old")).unwrap();
    fs::create_dir_all(volume.path("profiles/coder/a/new/deep")).unwrap();
    let (_, text, _) = volume.walk(RULE, known.as_ref());
    assert_eq!(text, "3 files and directories are the account's now (4711:4712)\n");
}

#[test]
fn what_was_changed_a_moment_ago_is_not_remembered() {
    let Some(volume) = Volume::new() else { return };
    let mut notices = Notices::default();
    let mut walk = Walk::new(RULE, &mut notices);
    let home = Directory::open(volume.0.path()).unwrap();
    let node = walk.tree(&home, OsStr::new("profiles"), &mut volume.path("profiles"), None).unwrap();
    assert_eq!(node.changed, None);
    assert_eq!(node.children[0].1.changed, None);
}

#[test]
fn a_directory_in_which_something_was_refused_is_looked_at_again() {
    let Some(volume) = Volume::new() else { return };
    symlink("/etc", volume.path("profiles/coder/a/link")).unwrap();
    let (known, text, _) = volume.walk(RULE, None);
    assert!(text.contains("coder/a/link"), "{text}");
    let (_, again, _) = volume.walk(RULE, known.as_ref());
    assert_eq!(again, text);
}

#[test]
fn another_group_than_the_former_one_is_somebodys_wish() {
    let Some(volume) = Volume::new() else { return };
    volume.give("profiles/coder/a/b/file", Owner { gid: 100, ..ACCOUNT });
    volume.give("profiles/coder/SOUL.md", Owner { gid: 10000, ..ACCOUNT });
    let rule = Rule { former_gid: Some(10000), ..RULE };
    volume.walk(rule, None);
    assert_eq!(volume.owner("profiles/coder/a/b/file").gid, 100);
    assert_eq!(volume.owner("profiles/coder/SOUL.md"), ACCOUNT);
}

#[test]
fn of_a_directory_of_the_former_account_only_its_own_files_are_handed_over() {
    let Some(volume) = Volume::new() else { return };
    let former = Owner { uid: 10000, gid: 10000 };
    for name in ["profiles", "profiles/coder", "profiles/coder/a", "profiles/coder/a/b/file"] {
        volume.give(name, former);
    }
    volume.give("profiles/coder/a/b", Owner { uid: 55, gid: 55 });
    let mut notices = Notices::default();
    let mut walk = Walk::new(RULE, &mut notices);
    let home = Directory::open(volume.0.path()).unwrap();
    let name = OsStr::new("profiles");
    walk.contents_of_former_account(&home, name, &mut volume.path("profiles"), former);
    walk.contents_of_former_account(&home, name, &mut volume.path("profiles"), Owner { uid: 56, gid: 56 });
    drop(walk);
    assert_eq!(volume.owner("profiles"), former, "the directory itself comes last");
    assert_eq!(volume.owner("profiles/coder"), ACCOUNT);
    assert_eq!(volume.owner("profiles/coder/a/b"), Owner { uid: 55, gid: 55 });
    assert_eq!(volume.owner("profiles/coder/a/b/file"), ACCOUNT);
}

#[test]
fn directories_in_each_other_without_end_end_the_walk_and_not_the_boot() {
    let Some(volume) = Volume::new() else { return };
    let mut directory = Directory::open(&volume.path("profiles/coder")).unwrap();
    for _ in 0..2000 {
        directory.make("d", 0o755).unwrap();
        directory = directory.child("d").unwrap();
    }
    let (_, text, _) = volume.walk(RULE, None);
    assert!(text.contains("is too deep"), "{text}");
}

/// The account swaps a directory for a symlink, all the time; so that there is something to do, root puts files of its own there.
#[test]
fn a_directory_that_becomes_a_symlink_under_the_walk_leads_nowhere() {
    let Some(volume) = Volume::new() else { return };
    let precious = volume.path("precious");
    fs::create_dir_all(precious.join("b")).unwrap();
    for file in [precious.join("file"), precious.join("b/file"), precious.join("b/other")] {
        fs::write(file, "x").unwrap();
    }
    let (inside, link) = (volume.path("profiles/coder/a"), volume.path("link"));
    symlink(&precious, &link).unwrap();
    fs::write(volume.path("profiles/coder/a/b/other"), "x").unwrap();
    /// Ends the swapping however the walking ends.
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
                // Wherever it is at the moment: it is the real one that has files of root's.
                let _ = fs::symlink_metadata(place).map(|found| {
                    if found.is_dir() {
                        let _ = lchown(place.join("b/other"), Some(0), Some(0));
                    }
                });
            }
            // The same files, should the line above have gone through the link.
            for file in ["file", "b/file", "b/other", "b", ""] {
                chown(precious.join(file), Some(7), Some(7)).unwrap();
            }
            volume.walk(RULE, None);
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
fn a_mount_point_is_read_as_the_kernel_writes_it() {
    let line = br"36 35 98:0 /mnt1 /opt/my\040data/a\134b rw,noatime master:1 - ext3 /dev/root rw";
    assert_eq!(mount_point(line), Some(PathBuf::from(r"/opt/my data/a\b")));
    assert_eq!(mount_point(b""), None);
    assert!(mount_points().contains(Path::new("/")));
}
