//! Who owns what: in the trees that are Hermes's own everything belongs to the account.
//!
//! Root walks trees that the account can change under its feet. So each directory is held open, each thing in it is looked at
//! without following it, and what is handed over is compared with what was looked at, while it is held (`Directory::give`).

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hermes_core::owned;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::directory::{Directory, Facts, Owner};
use crate::notice::{First, Notice, Notices};
use crate::record::{DEPTH_MAX, Node};

/// A directory that was changed this recently may be changed again without its `ctime` telling: clocks of file systems are coarse.
const SETTLED: i64 = 2;

/// How long a walk is silent.
const SILENCE: Duration = Duration::from_secs(5);

/// What is handed over to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) account: Owner,
    /// A group that was the account's before: what is the account's and has it gets the new one. Any other group is somebody's wish.
    pub(crate) former_gid: Option<u32>,
    /// A UID that is the account's no more: then nobody else's files are handed over.
    pub(crate) only_of: Option<u32>,
}

impl Rule {
    /// Whether it has to be handed over.
    pub(crate) fn applies_to(&self, owner: Owner) -> bool {
        match self.only_of {
            Some(uid) => owner.uid == uid && uid != self.account.uid,
            None => {
                owner.uid != self.account.uid
                    || (self.former_gid == Some(owner.gid) && owner.gid != self.account.gid)
            }
        }
    }
}

/// One walk, or several one after the other, and what came of them.
pub(crate) struct Walk<'n> {
    pub(crate) rule: Rule,
    notices: &'n mut Notices,
    /// Mount points, where the kernel does not say of a directory that it is one.
    mounts: Option<HashSet<PathBuf>>,
    now: i64,
    given: u64,
    looked_at: u64,
    last_word: Instant,
    cannot_give: First<(PathBuf, Errno, Owner)>,
    cannot_look: First<(PathBuf, Errno)>,
    too_deep: First<PathBuf>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    /// As it should be.
    InOrder,
    /// As it should not be, and told.
    LeftAlone,
}

impl<'n> Walk<'n> {
    pub(crate) fn new(rule: Rule, notices: &'n mut Notices) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            rule,
            notices,
            mounts: None,
            now: i64::try_from(now).unwrap_or(i64::MAX),
            given: 0,
            looked_at: 0,
            last_word: Instant::now(),
            cannot_give: First::default(),
            cannot_look: First::default(),
            too_deep: First::default(),
        }
    }

    /// Puts the directory `name` in `parent`, which lies at `path`, in order, and everything below it. What was `remembered` of it
    /// saves looks. Gives what is to be remembered.
    pub(crate) fn tree(
        &mut self,
        parent: &Directory,
        name: &OsStr,
        path: &mut PathBuf,
        remembered: Option<&Node>,
    ) -> Option<Node> {
        let facts = match parent.look(name) {
            Ok(facts) => facts.filter(Facts::is_directory)?,
            Err(error) => {
                self.cannot_look.note(|| (path.clone(), error));
                return None;
            }
        };
        self.put_in_order(parent, name, &facts, path);
        self.enter(parent, name, &facts, path, 0, remembered)
    }

    /// A directory that Hermes uses, itself and not what is in it; whether it is there. One that is mounted and not Hermes's `whole`
    /// is handed over only where it is as an engine makes a new volume: root's, and empty.
    pub(crate) fn directory(
        &mut self,
        parent: &Directory,
        name: &OsStr,
        path: &Path,
        is_whole: bool,
    ) -> bool {
        let looked = parent.look(name).and_then(|found| Ok((found, parent.facts()?)));
        let (found, parent_facts) = match looked {
            Ok((Some(found), parent_facts)) if found.is_directory() => (found, parent_facts),
            // The other half says what lies there instead.
            Ok(_) => return false,
            Err(error) => {
                self.cannot_look.note(|| (path.to_owned(), error));
                return false;
            }
        };
        let owner = found.owner;
        if !is_whole && self.rule.applies_to(owner) && self.is_mounted(&found, &parent_facts, path) {
            let is_new = parent.child(name).and_then(|directory| directory.is_empty()).unwrap_or(false);
            if owner.uid != 0 || !is_new {
                let path = path.to_owned();
                self.notices.add(Notice::MountLeftAlone { path, uid: owner.uid, gid: owner.gid });
                return false;
            }
        }
        self.put_in_order(parent, name, &found, path);
        true
    }

    /// What the account had in the directory `name` when it had other IDs.
    pub(crate) fn contents_of_former_account(
        &mut self,
        parent: &Directory,
        name: &OsStr,
        path: &mut PathBuf,
        former: Owner,
    ) {
        let is_its_own = |facts: &Facts| facts.is_directory() && facts.owner.uid == former.uid;
        if let Ok(Some(facts)) = parent.look(name)
            && is_its_own(&facts)
        {
            self.rule.only_of = Some(former.uid);
            self.enter(parent, name, &facts, path, 0, None);
            self.rule.only_of = None;
        }
    }

    /// Hands `name` over, if the rule says so.
    fn put_in_order(&mut self, parent: &Directory, name: &OsStr, facts: &Facts, path: &Path) -> Became {
        self.looked_at += 1;
        if !self.rule.applies_to(facts.owner) {
            return Became::InOrder;
        }
        match facts.kind {
            FileType::Symlink => {
                self.notices.add(Notice::Symlink {
                    path: path.to_owned(),
                    mend: "remove it, or give it to the account (chown -h)",
                });
                return Became::LeftAlone;
            }
            FileType::Directory => {}
            FileType::RegularFile | FileType::Fifo | FileType::Socket if facts.links > 1 => {
                self.notices.add(Notice::HardLink { path: path.to_owned() });
                return Became::LeftAlone;
            }
            FileType::RegularFile | FileType::Fifo | FileType::Socket => {}
            // Who has a device has what it stands for.
            _ => return Became::InOrder,
        }
        match parent.give(name, facts, self.rule.account) {
            Ok(()) => {
                self.given += 1;
                Became::InOrder
            }
            // Swapped, changed or removed meanwhile: whoever did that is at work here.
            Err(Errno::STALE | Errno::NOENT) => Became::LeftAlone,
            Err(error) => {
                self.cannot_give.note(|| (path.to_owned(), error, facts.owner));
                Became::LeftAlone
            }
        }
    }

    /// Goes into the directory `name`, which was looked at.
    fn enter(
        &mut self,
        parent: &Directory,
        name: &OsStr,
        looked_at: &Facts,
        path: &mut PathBuf,
        depth: usize,
        remembered: Option<&Node>,
    ) -> Option<Node> {
        if depth >= DEPTH_MAX {
            self.too_deep.note(|| path.clone());
            return None;
        }
        let opened = parent.child(name).and_then(|directory| Ok((directory.facts()?, directory)));
        let (facts, directory) = match opened {
            Ok((facts, directory)) if facts.inode == looked_at.inode && facts.device == looked_at.device => {
                (facts, directory)
            }
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return None,
            Err(error) => {
                self.cannot_look.note(|| (path.clone(), error));
                return None;
            }
        };
        let unchanged = remembered.filter(|node| {
            node.inode == facts.inode && node.changed == Some(facts.changed) && facts.changed.0 <= self.now
        });
        if let Some(node) = unchanged
            && let Some(node) = self.look_at_what_is_remembered(&directory, &facts, node, path, depth)
        {
            return Some(node);
        }
        Some(self.look_at_all(&directory, &facts, remembered, path, depth))
    }

    /// Nothing came into the directory: only what lies in its subdirectories may have changed. Nothing where that is not so.
    fn look_at_what_is_remembered(
        &mut self,
        directory: &Directory,
        facts: &Facts,
        node: &Node,
        path: &mut PathBuf,
        depth: usize,
    ) -> Option<Node> {
        let is_a_profile = path.parent().is_some_and(|parent| parent.ends_with(owned::PROFILES));
        let mut in_order = true;
        if is_a_profile {
            // `chown` of a file leaves no trace in its directory. Those that a gateway needs are looked at one by one.
            for name in owned::STATE_FILES {
                path.push(name);
                if let Ok(Some(facts)) = directory.look(*name) {
                    in_order &=
                        self.put_in_order(directory, OsStr::new(name), &facts, path) == Became::InOrder;
                }
                path.pop();
            }
        }
        let holds_profiles = path.ends_with(owned::PROFILES);
        let mut children = Vec::with_capacity(node.children.len());
        for (name, child) in &node.children {
            let facts = directory.look(name.as_os_str()).ok()?.filter(Facts::is_directory)?;
            path.push(name);
            let is_leaf_as_it_was = !holds_profiles
                && child.children.is_empty()
                && child.inode == facts.inode
                && child.changed == Some(facts.changed)
                && !self.rule.applies_to(facts.owner);
            let known = if is_leaf_as_it_was {
                self.looked_at += 1;
                Some(child.clone())
            } else {
                in_order &= self.put_in_order(directory, name, &facts, path) == Became::InOrder;
                self.enter(directory, name, &facts, path, depth + 1, Some(child))
            };
            path.pop();
            match known {
                Some(child) => children.push((name.clone(), child)),
                None => in_order = false,
            }
        }
        Some(Node { inode: facts.inode, changed: node.changed.filter(|_| in_order), children })
    }

    fn look_at_all(
        &mut self,
        directory: &Directory,
        facts: &Facts,
        remembered: Option<&Node>,
        path: &mut PathBuf,
        depth: usize,
    ) -> Node {
        let mut node = Node { inode: facts.inode, changed: None, children: Vec::new() };
        self.say_that_it_goes_on(path);
        let entries = match directory.entries() {
            Ok(entries) => entries,
            Err(error) => {
                self.cannot_look.note(|| (path.clone(), error));
                return node;
            }
        };
        let mut in_order = true;
        for entry in entries {
            let name = entry.name();
            path.push(name);
            match directory.look(name) {
                Ok(None) => {}
                Err(error) => {
                    self.cannot_look.note(|| (path.clone(), error));
                    in_order = false;
                }
                // What is mounted here is not Hermes's, whoever mounted it.
                Ok(Some(found)) if self.is_mounted(&found, facts, path) => {}
                Ok(Some(found)) => {
                    in_order &= self.put_in_order(directory, name, &found, path) == Became::InOrder;
                    if found.is_directory() {
                        let known = remembered
                            .and_then(|node| node.children.iter().find(|(child, _)| child == name))
                            .map(|(_, node)| node);
                        match self.enter(directory, name, &found, path, depth + 1, known) {
                            Some(child) => node.children.push((name.to_owned(), child)),
                            None => in_order = false,
                        }
                    }
                }
            }
            path.pop();
        }
        // As it was before it was read: what came in meanwhile has changed it.
        if in_order && self.now - facts.changed.0 >= SETTLED {
            node.changed = Some(facts.changed);
        }
        node
    }

    fn is_mounted(&mut self, found: &Facts, parent: &Facts, path: &Path) -> bool {
        found.device != parent.device
            || found.is_mount.unwrap_or_else(|| self.mounts.get_or_insert_with(mount_points).contains(path))
    }

    fn say_that_it_goes_on(&mut self, path: &Path) {
        if self.last_word.elapsed() >= SILENCE {
            self.last_word = Instant::now();
            self.notices.add(Notice::StillLooking { looked_at: self.looked_at, path: path.to_owned() });
        }
    }

    /// The files directly in `home` that are Hermes's by their names.
    pub(crate) fn state_files(&mut self, home: &Directory, path: &mut PathBuf) {
        let entries = match home.entries() {
            Ok(entries) => entries,
            Err(error) => return self.cannot_look.note(|| (path.clone(), error)),
        };
        for entry in entries {
            let Some(name) = entry.name().to_str().filter(|name| owned::is_state_file(name)) else {
                continue;
            };
            path.push(name);
            match home.look(name) {
                // The other half says what else lies there.
                Ok(Some(facts)) if facts.is_directory() || facts.kind == FileType::Symlink => {}
                Ok(Some(facts)) => {
                    self.put_in_order(home, OsStr::new(name), &facts, path);
                }
                Ok(None) => {}
                Err(error) => self.cannot_look.note(|| (path.clone(), error)),
            }
            path.pop();
        }
    }

    /// Says what the walks came to.
    pub(crate) fn end(self) {
        let Owner { uid, gid } = self.rule.account;
        let notices = self.notices;
        notices.count_untold();
        if let Some(((path, error, owner), more)) = self.cannot_give.take() {
            let (owner_uid, owner_gid) = (owner.uid, owner.gid);
            notices.add(Notice::CannotGive { path, more, error, uid, gid, owner_uid, owner_gid });
        }
        if let Some(((path, error), more)) = self.cannot_look.take() {
            notices.add(Notice::CannotLook { path, more, error });
        }
        if let Some((path, _)) = self.too_deep.take() {
            notices.add(Notice::TooDeep { path });
        }
        if self.given > 0 {
            notices.add(Notice::Given { count: self.given, uid, gid });
        }
    }

    /// How many files and directories were looked at.
    #[cfg(test)]
    pub(crate) fn looked_at(&self) -> u64 {
        self.looked_at
    }
}

/// The mount points of this process: the fifth field of each line of `/proc/self/mountinfo`, proc_pid_mountinfo(5).
fn mount_points() -> HashSet<PathBuf> {
    let text = fs::read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    text.split(|&byte| byte == b'\n').filter_map(mount_point).collect()
}

/// Blanks and backslashes in it are written in octal.
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let field = line.split(|&byte| byte == b' ').nth(4)?;
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|digits| byte == b'\\' && digits.iter().all(u8::is_ascii_digit));
        let number = octal
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap_or_default(), 8).ok());
        match number {
            Some(number) => {
                path.push(number);
                rest = &after[3..];
            }
            None => {
                path.push(byte);
                rest = after;
            }
        }
    }
    Some(OsString::from_vec(path).into())
}

#[cfg(test)]
mod tests;
