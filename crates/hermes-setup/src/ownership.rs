//! Hands Hermes's own files over to the account, and nothing else.
//!
//! Root walks trees that the account can change under its feet. So each directory is held open, each thing in it is looked at
//! without following it, and root compares what it hands over with what it looked at, while it holds it (`Directory::give`). A
//! directory is handed over after its contents: the account can move nothing into it while root is at work there.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hermes_core::owned;
use hermes_os::mounts;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::directory::{Directory, Facts, Owner};
use crate::notice::{First, Notice, Notices};
use crate::trust::{Control, Identities, Verdict};

/// The deepest directory that root enters.
const DEPTH_MAX: usize = 128;

/// The number of files and directories after which root stops looking: what an agent can make must not hold a boot up for ever.
const LOOKS_MAX: u64 = 2_000_000;

/// How long a walk is silent.
const SILENCE: Duration = Duration::from_secs(5);

/// The things in a tree that root hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everything is Hermes's.
    Whole,
    /// The account shares the tree with others: only what it had under a former ID is its own.
    FormerOnly,
}

/// One walk, or several one after the other, and what came of them.
pub(crate) struct Walk<'n> {
    identities: Identities,
    notices: &'n mut Notices,
    /// Mount points, where the kernel does not say of a directory that it is one.
    mounts: Option<HashSet<PathBuf>>,
    given: u64,
    looked_at: u64,
    last_word: Instant,
    left: First<(PathBuf, Owner)>,
    cannot_give: First<(PathBuf, Errno, Owner)>,
    cannot_look: First<(PathBuf, Errno)>,
    too_deep: First<PathBuf>,
    refused: bool,
}

/// The result of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Root looked at everything.
    pub(crate) is_complete: bool,
    /// Root found everything in order, or put it in order.
    pub(crate) is_in_order: bool,
}

/// The entries of a directory, as far as it matters for the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    /// Mount points, and directories of which the same holds, at most.
    Empty,
    /// Something that belongs to somebody.
    Something,
}

impl<'n> Walk<'n> {
    pub(crate) fn new(identities: Identities, notices: &'n mut Notices) -> Self {
        Self {
            identities,
            notices,
            mounts: None,
            given: 0,
            looked_at: 0,
            last_word: Instant::now(),
            left: First::default(),
            cannot_give: First::default(),
            cannot_look: First::default(),
            too_deep: First::default(),
            refused: false,
        }
    }

    /// Puts the directory `name` in order, and everything below it. It lies at `path`, in `parent`, over which the account has
    /// `control`.
    pub(crate) fn tree(&mut self, parent: &Directory, control: Control, name: &OsStr, path: &mut PathBuf) {
        let Some((facts, parent_facts)) = self.look_at_directory(parent, name, path) else { return };
        // The operator mounts; the account cannot.
        let control = if self.is_mounted(&facts, &parent_facts, path) { Control::Root } else { control };
        let opened = parent.step(name).and_then(|directory| Ok((directory.facts()?, directory)));
        self.directory_and_contents(parent, control, Scope::Whole, name, (&facts, opened), path, 0);
    }

    /// Puts a directory that Hermes uses in order, itself and not what is in it. One that is mounted is handed over only where it is
    /// as an engine makes a new volume: root's, and empty.
    pub(crate) fn directory(&mut self, parent: &Directory, control: Control, name: &OsStr, path: &Path) {
        let Some((found, parent_facts)) = self.look_at_directory(parent, name, path) else { return };
        if self.is_mounted(&found, &parent_facts, path) {
            if !self.identities.is_own(found.owner.uid) || self.identities.is_repaired(found.owner) {
                let is_new = || parent.step(name).and_then(|directory| directory.is_empty()).unwrap_or(false);
                if found.owner.uid == 0 && is_new() {
                    self.give(parent, name, &found, path);
                } else {
                    let Owner { uid, gid } = found.owner;
                    self.notices.add(Notice::MountLeftAlone { path: path.to_owned(), uid, gid });
                }
            }
            return;
        }
        let verdict = match self.identities.verdict(control, &found) {
            Verdict::GiveIfEmpty if self.is_skeleton(parent, name, path) => Verdict::Give,
            verdict => verdict,
        };
        self.carry_out(verdict, parent, name, &found, path);
    }

    /// Looks at the directory `name` and at its parent. Returns `None` if there is none: the account's half says what lies there
    /// instead.
    fn look_at_directory(&mut self, parent: &Directory, name: &OsStr, path: &Path) -> Option<(Facts, Facts)> {
        match parent.look(name).and_then(|found| Ok((found, parent.facts()?))) {
            Ok((Some(found), parent_facts)) => found.is_directory().then_some((found, parent_facts)),
            Ok((None, _)) => None,
            Err(error) => {
                self.cannot_look.note(|| (path.to_owned(), error));
                None
            }
        }
    }

    fn is_skeleton(&mut self, parent: &Directory, name: &OsStr, path: &Path) -> bool {
        let mut lookup = Lookup { mounts: &mut self.mounts, looks_left: SKELETON_MAX };
        parent.step(name).is_ok_and(|directory| lookup.is_skeleton(&directory, path, 0))
    }

    /// Returns the power of the account over the entries of a directory, which itself lies where the account has `control`.
    pub(crate) fn control_below(&self, control: Control, directory: &Facts) -> Control {
        self.identities.control_below(self.identities.verdict(control, directory), directory)
    }

    /// Hands over what the account had in the directory `name` under a former UID, if the directory itself was the account's.
    pub(crate) fn contents_of_former_account(
        &mut self,
        parent: &Directory,
        name: &OsStr,
        path: &mut PathBuf,
    ) {
        if let Ok(Some(facts)) = parent.look(name)
            && facts.is_directory()
            && self.is_in_scope(Scope::FormerOnly, facts.owner)
            && let Ok(directory) = parent.step(name)
            && directory.facts().is_ok_and(|opened| opened.inode == facts.inode)
        {
            self.contents(&directory, &facts, Control::Unknown, Scope::FormerOnly, path, 0);
        }
    }

    /// Puts one thing that is no directory in order.
    fn file(&mut self, parent: &Directory, control: Control, name: &OsStr, facts: &Facts, path: &Path) {
        let verdict = self.identities.verdict(control, facts);
        self.carry_out(verdict, parent, name, facts, path);
    }

    /// Does what was decided.
    fn carry_out(
        &mut self,
        verdict: Verdict,
        parent: &Directory,
        name: &OsStr,
        facts: &Facts,
        path: &Path,
    ) -> bool {
        self.looked_at += 1;
        if verdict == Verdict::InOrder {
            return true;
        }
        if self.identities.is_repaired(facts.owner) {
            match facts.kind {
                FileType::Symlink => {
                    self.refused = true;
                    self.notices.add(Notice::Symlink {
                        path: path.to_owned(),
                        hint: "remove it, or give it to the account (chown -h)",
                    });
                    return false;
                }
                FileType::RegularFile | FileType::Fifo | FileType::Socket if facts.links > 1 => {
                    self.refused = true;
                    self.notices.add(Notice::HardLink { path: path.to_owned() });
                    return false;
                }
                FileType::Directory | FileType::RegularFile | FileType::Fifo | FileType::Socket => {}
                // The owner of a device has what it stands for.
                _ => return false,
            }
        }
        match verdict {
            Verdict::Give => return self.give(parent, name, facts, path),
            // The account can use it as it is.
            Verdict::Leave if facts.is_directory() && self.identities.can_write(facts) => {}
            _ => self.left.note(|| (path.to_owned(), facts.owner)),
        }
        false
    }

    fn give(&mut self, parent: &Directory, name: &OsStr, facts: &Facts, path: &Path) -> bool {
        match parent.give(name, facts, self.identities.account) {
            Ok(()) => {
                self.given += 1;
                return true;
            }
            // Swapped, changed or removed meanwhile: the account is at work here.
            Err(Errno::STALE | Errno::NOENT) => {}
            Err(error) => self.cannot_give.note(|| (path.to_owned(), error, facts.owner)),
        }
        false
    }

    /// Puts the contents of a directory in order, and then the directory itself.
    #[expect(clippy::too_many_arguments, reason = "the place of an entry, and the rules for it")]
    fn directory_and_contents(
        &mut self,
        parent: &Directory,
        control: Control,
        scope: Scope,
        name: &OsStr,
        (looked_at, opened): (&Facts, rustix::io::Result<(Facts, Directory)>),
        path: &mut PathBuf,
        depth: usize,
    ) -> Contents {
        let (facts, directory) = match opened {
            Ok((facts, directory)) if (facts.inode, facts.device) == (looked_at.inode, looked_at.device) => {
                (facts, directory)
            }
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
                return Contents::Something;
            }
            Err(error) => {
                self.cannot_look.note(|| (path.clone(), error));
                return Contents::Something;
            }
        };
        let verdict = self.identities.verdict(control, &facts);
        let below = self.identities.control_below(verdict, &facts);
        let contents = self.contents(&directory, &facts, below, scope, path, depth);
        let verdict = match (verdict, contents) {
            (Verdict::GiveIfEmpty, Contents::Empty) => Verdict::Give,
            (verdict, _) => verdict,
        };
        let is_given =
            self.is_in_scope(scope, facts.owner) && self.carry_out(verdict, parent, name, &facts, path);
        if is_given && verdict == Verdict::Give { contents } else { Contents::Something }
    }

    /// Puts everything below an open directory in order.
    fn contents(
        &mut self,
        directory: &Directory,
        facts: &Facts,
        control: Control,
        scope: Scope,
        path: &mut PathBuf,
        depth: usize,
    ) -> Contents {
        if depth >= DEPTH_MAX {
            self.too_deep.note(|| path.clone());
            return Contents::Something;
        }
        self.say_that_it_goes_on(path);
        let mut contents = Contents::Empty;
        let read = directory.for_each(|name| {
            if self.looked_at >= LOOKS_MAX {
                contents = Contents::Something;
                return ControlFlow::Break(());
            }
            path.push(name);
            let found = match directory.look(name) {
                Ok(None) => Contents::Empty,
                Err(error) => {
                    self.cannot_look.note(|| (path.clone(), error));
                    Contents::Something
                }
                // What is mounted here is not Hermes's, whoever mounted it.
                Ok(Some(found)) if self.is_mounted(&found, facts, path) => Contents::Empty,
                Ok(Some(found)) if found.is_directory() => {
                    let opened = directory.child(name).and_then(|child| Ok((child.facts()?, child)));
                    let opened = (&found, opened);
                    self.directory_and_contents(directory, control, scope, name, opened, path, depth + 1)
                }
                Ok(Some(found)) => {
                    if self.is_in_scope(scope, found.owner) {
                        self.file(directory, control, name, &found, path);
                    }
                    Contents::Something
                }
            };
            path.pop();
            if found == Contents::Something {
                contents = Contents::Something;
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            self.cannot_look.note(|| (path.clone(), error));
            return Contents::Something;
        }
        contents
    }

    fn is_in_scope(&self, scope: Scope, owner: Owner) -> bool {
        scope == Scope::Whole || self.identities.former_uids.contains(&owner.uid)
    }

    fn is_mounted(&mut self, found: &Facts, parent: &Facts, path: &Path) -> bool {
        is_mounted(&mut self.mounts, found, parent, path)
    }

    fn say_that_it_goes_on(&mut self, path: &Path) {
        if self.last_word.elapsed() >= SILENCE {
            self.last_word = Instant::now();
            self.notices.add(Notice::StillLooking { looked_at: self.looked_at, path: path.to_owned() });
        }
    }

    /// Puts the files directly in `home` in order that are Hermes's by their names.
    pub(crate) fn state_files(&mut self, home: &Directory, control: Control, path: &mut PathBuf) {
        let home_facts = match home.facts() {
            Ok(facts) => facts,
            Err(error) => return self.cannot_look.note(|| (path.clone(), error)),
        };
        let mut names = 0;
        let read = home.for_each(|name| {
            names += 1;
            if names > LOOKS_MAX {
                return ControlFlow::Break(());
            }
            if !name.to_str().is_some_and(owned::is_state_file) {
                return ControlFlow::Continue(());
            }
            path.push(name);
            match home.look(name) {
                // The account's half says what else lies there.
                Ok(Some(facts)) if facts.is_directory() || facts.kind == FileType::Symlink => {}
                // A file that is mounted on its own is the operator's.
                Ok(Some(facts)) if self.is_mounted(&facts, &home_facts, path) => {}
                Ok(Some(facts)) => self.file(home, control, name, &facts, path),
                Ok(None) => {}
                Err(error) => self.cannot_look.note(|| (path.clone(), error)),
            }
            path.pop();
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            self.cannot_look.note(|| (path.clone(), error));
        }
    }

    /// Says what the walks came to.
    pub(crate) fn end(self) -> Outcome {
        let Owner { uid, gid } = self.identities.account;
        let is_complete = self.looked_at < LOOKS_MAX;
        let unsettled = self.left.is_some() || self.cannot_look.is_some() || self.too_deep.is_some();
        let is_in_order = is_complete && !unsettled && !self.refused;
        let notices = self.notices;
        notices.count_untold();
        if let Some(((path, error, owner), more)) = self.cannot_give.take() {
            let (owner_uid, owner_gid) = (owner.uid, owner.gid);
            notices.add(Notice::CannotGive { path, more, error, uid, gid, owner_uid, owner_gid });
        }
        if let Some(((path, owner), more)) = self.left.take() {
            notices.add(Notice::OfSomebodyElse { path, more, owner_uid: owner.uid, owner_gid: owner.gid });
        }
        if let Some(((path, error), more)) = self.cannot_look.take() {
            notices.add(Notice::CannotLook { path, more, error });
        }
        if let Some((path, _)) = self.too_deep.take() {
            notices.add(Notice::TooDeep { path });
        }
        if self.looked_at >= LOOKS_MAX {
            notices.add(Notice::TooMany { looked_at: self.looked_at });
        }
        if self.given > 0 {
            notices.add(Notice::Given { count: self.given, uid, gid });
        }
        Outcome { is_complete, is_in_order }
    }
}

/// The number of entries up to which root looks whether a directory is a mere way to mount points.
const SKELETON_MAX: u32 = 10_000;

/// A bounded look at directories that an engine made on the way to mount points.
struct Lookup<'m> {
    mounts: &'m mut Option<HashSet<PathBuf>>,
    looks_left: u32,
}

impl Lookup<'_> {
    /// Returns whether nothing is in the directory but mount points, and directories of root's of which the same holds.
    fn is_skeleton(&mut self, directory: &Directory, path: &Path, depth: usize) -> bool {
        let Ok(facts) = directory.facts() else { return false };
        let mut is_skeleton = depth < DEPTH_MAX;
        let read = directory.for_each(|name| {
            self.looks_left = self.looks_left.saturating_sub(1);
            let path = path.join(name);
            is_skeleton &= self.looks_left > 0
                && directory.look(name).is_ok_and(|found| {
                    found.is_none_or(|found| {
                        is_mounted(self.mounts, &found, &facts, &path)
                            || (found.is_directory()
                                && found.owner.uid == 0
                                && directory
                                    .child(name)
                                    .is_ok_and(|child| self.is_skeleton(&child, &path, depth + 1)))
                    })
                });
            if is_skeleton { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        is_skeleton && read.is_ok()
    }
}

fn is_mounted(mounts: &mut Option<HashSet<PathBuf>>, found: &Facts, parent: &Facts, path: &Path) -> bool {
    found.device != parent.device
        || found.is_mount.unwrap_or_else(|| mounts.get_or_insert_with(mount_points).contains(path))
}

/// Returns the mount points of this process. Without the list there is none.
fn mount_points() -> HashSet<PathBuf> {
    mounts::all().unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests;
