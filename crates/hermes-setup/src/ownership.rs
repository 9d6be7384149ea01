//! Hands Hermes's own files over to the account, and no others.
//!
//! Root walks through trees that the account can change at the same time. So root holds each directory open, and inspects each
//! entry without following it. It holds an entry open while it compares it with the inspected one (`Directory::give`). A directory
//! is handed over after its contents, so that the account can move no file into it while root works there.

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

/// The maximum depth of the directories that root enters.
const DEPTH_MAX: usize = 128;

/// The maximum number of files and directories that root checks: an agent must not be able to delay a boot for ever.
const CHECKED_MAX: u64 = 2_000_000;

/// The interval between two reports of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// The files of a tree that root hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All files, since the tree is Hermes's.
    Whole,
    /// Only the files that the account had under a former ID, since it shares the tree with others.
    FormerOnly,
}

/// One walk, or several in a row, and their results.
pub(crate) struct Walk<'n> {
    identities: Identities,
    notices: &'n mut Notices,
    /// The mount points, if the kernel does not report them for a directory.
    mounts: Option<HashSet<PathBuf>>,
    given: u64,
    checked: u64,
    last_report: Instant,
    left: First<(PathBuf, Owner)>,
    give_failed: First<(PathBuf, Errno, Owner)>,
    inspect_failed: First<(PathBuf, Errno)>,
    too_deep: First<PathBuf>,
    refused: bool,
}

/// The result of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Root checked every file.
    pub(crate) is_complete: bool,
    /// Root left no problem.
    pub(crate) is_in_order: bool,
}

/// The kind of a directory's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    /// At most mount points, and directories that are empty in the same sense.
    Empty,
    /// At least one other file.
    Something,
}

impl<'n> Walk<'n> {
    pub(crate) fn new(identities: Identities, notices: &'n mut Notices) -> Self {
        Self {
            identities,
            notices,
            mounts: None,
            given: 0,
            checked: 0,
            last_report: Instant::now(),
            left: First::default(),
            give_failed: First::default(),
            inspect_failed: First::default(),
            too_deep: First::default(),
            refused: false,
        }
    }

    /// Repairs the directory `name` and everything below it. It lies at `path`, in `parent`, over which the account has `control`.
    pub(crate) fn tree(&mut self, parent: &Directory, control: Control, name: &OsStr, path: &mut PathBuf) {
        let Some((facts, parent_facts)) = self.look_at_directory(parent, name, path) else { return };
        // Only the operator can mount it.
        let control = if self.is_mounted(&facts, &parent_facts, path) { Control::Root } else { control };
        let opened = parent.step(name).and_then(|directory| Ok((directory.facts()?, directory)));
        self.directory_and_contents(parent, control, Scope::Whole, name, (&facts, opened), path, 0);
    }

    /// Repairs a directory that Hermes uses, without its contents. A mounted one is handed over only if it is root's and empty, as an
    /// engine makes a new volume.
    pub(crate) fn directory(&mut self, parent: &Directory, control: Control, name: &OsStr, path: &Path) {
        let Some((found, parent_facts)) = self.look_at_directory(parent, name, path) else { return };
        if self.is_mounted(&found, &parent_facts, path) {
            if !self.identities.is_own(found.owner.uid) || self.identities.is_repaired(found.owner) {
                let is_new = || parent.step(name).and_then(|directory| directory.is_empty()).unwrap_or(false);
                if found.owner.uid == 0 && is_new() {
                    self.give(parent, name, &found, path);
                } else {
                    self.notices.add(Notice::ForeignMount { path: path.to_owned(), owner: found.owner });
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

    /// Returns the facts about the directory `name` and its parent. Returns `None` if there is no directory: the account's half
    /// reports other kinds.
    fn look_at_directory(&mut self, parent: &Directory, name: &OsStr, path: &Path) -> Option<(Facts, Facts)> {
        match parent.look(name).and_then(|found| Ok((found, parent.facts()?))) {
            Ok((Some(found), parent_facts)) => found.is_directory().then_some((found, parent_facts)),
            Ok((None, _)) => None,
            Err(error) => {
                self.inspect_failed.note(|| (path.to_owned(), error));
                None
            }
        }
    }

    fn is_skeleton(&mut self, parent: &Directory, name: &OsStr, path: &Path) -> bool {
        let mut lookup = Lookup { mounts: &mut self.mounts, looks_left: SKELETON_MAX };
        parent.step(name).is_ok_and(|directory| lookup.is_skeleton(&directory, path, 0))
    }

    /// Returns the control of the account over the entries of a directory, which lies where the account has `control`.
    pub(crate) fn control_below(&self, control: Control, directory: &Facts) -> Control {
        self.identities.control_below(self.identities.verdict(control, directory), directory)
    }

    /// Hands over the files that the account had in the directory `name` under a former UID, if the directory was the account's.
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

    /// Repairs one file that is no directory.
    fn file(&mut self, parent: &Directory, control: Control, name: &OsStr, facts: &Facts, path: &Path) {
        let verdict = self.identities.verdict(control, facts);
        self.carry_out(verdict, parent, name, facts, path);
    }

    /// Carries out a verdict. Returns `true` if the file is the account's now.
    fn carry_out(
        &mut self,
        verdict: Verdict,
        parent: &Directory,
        name: &OsStr,
        facts: &Facts,
        path: &Path,
    ) -> bool {
        self.checked += 1;
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
                // The owner of a device file controls the device.
                _ => return false,
            }
        }
        match verdict {
            Verdict::Give => return self.give(parent, name, facts, path),
            // The account can use it without a change.
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
            // Swapped, changed or removed meanwhile, since the account works here.
            Err(Errno::STALE | Errno::NOENT) => {}
            Err(error) => self.give_failed.note(|| (path.to_owned(), error, facts.owner)),
        }
        false
    }

    /// Repairs the contents of a directory, and then the directory itself.
    #[expect(clippy::too_many_arguments, reason = "the place of an entry and its rules")]
    fn directory_and_contents(
        &mut self,
        parent: &Directory,
        control: Control,
        scope: Scope,
        name: &OsStr,
        (checked, opened): (&Facts, rustix::io::Result<(Facts, Directory)>),
        path: &mut PathBuf,
        depth: usize,
    ) -> Contents {
        let (facts, directory) = match opened {
            Ok((facts, directory)) if (facts.inode, facts.device) == (checked.inode, checked.device) => {
                (facts, directory)
            }
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
                return Contents::Something;
            }
            Err(error) => {
                self.inspect_failed.note(|| (path.clone(), error));
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

    /// Repairs everything below an open directory.
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
        self.report_progress(path);
        let mut contents = Contents::Empty;
        let read = directory.for_each(|name| {
            if self.checked >= CHECKED_MAX {
                contents = Contents::Something;
                return ControlFlow::Break(());
            }
            path.push(name);
            let found = match directory.look(name) {
                Ok(None) => Contents::Empty,
                Err(error) => {
                    self.inspect_failed.note(|| (path.clone(), error));
                    Contents::Something
                }
                // A mount is not Hermes's.
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
            self.inspect_failed.note(|| (path.clone(), error));
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

    fn report_progress(&mut self, path: &Path) {
        if self.last_report.elapsed() >= PROGRESS_INTERVAL {
            self.last_report = Instant::now();
            self.notices.add(Notice::Progress { checked: self.checked, path: path.to_owned() });
        }
    }

    /// Repairs the state files of Hermes directly in `home`.
    pub(crate) fn state_files(&mut self, home: &Directory, control: Control, path: &mut PathBuf) {
        let home_facts = match home.facts() {
            Ok(facts) => facts,
            Err(error) => return self.inspect_failed.note(|| (path.clone(), error)),
        };
        let mut names = 0;
        let read = home.for_each(|name| {
            names += 1;
            if names > CHECKED_MAX {
                return ControlFlow::Break(());
            }
            if !name.to_str().is_some_and(owned::is_state_file) {
                return ControlFlow::Continue(());
            }
            path.push(name);
            match home.look(name) {
                // The account's half reports other kinds.
                Ok(Some(facts)) if facts.is_directory() || facts.kind == FileType::Symlink => {}
                // A file with its own mount is the operator's.
                Ok(Some(facts)) if self.is_mounted(&facts, &home_facts, path) => {}
                Ok(Some(facts)) => self.file(home, control, name, &facts, path),
                Ok(None) => {}
                Err(error) => self.inspect_failed.note(|| (path.clone(), error)),
            }
            path.pop();
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            self.inspect_failed.note(|| (path.clone(), error));
        }
    }

    /// Adds the notices about the walks, and returns their result.
    pub(crate) fn end(self) -> Outcome {
        let account = self.identities.account;
        let is_complete = self.checked < CHECKED_MAX;
        let unsettled = self.left.is_some() || self.inspect_failed.is_some() || self.too_deep.is_some();
        let is_in_order = is_complete && !unsettled && !self.refused;
        let notices = self.notices;
        notices.report_omitted();
        if let Some(((path, error, owner), more)) = self.give_failed.take() {
            notices.add(Notice::GiveFailed { path, more, error, account, owner });
        }
        if let Some(((path, owner), more)) = self.left.take() {
            notices.add(Notice::ForeignOwner { path, more, owner });
        }
        if let Some(((path, error), more)) = self.inspect_failed.take() {
            notices.add(Notice::InspectFailed { path, more, error });
        }
        if let Some((path, _)) = self.too_deep.take() {
            notices.add(Notice::TooDeep { path });
        }
        if self.checked >= CHECKED_MAX {
            notices.add(Notice::TooMany { checked: self.checked });
        }
        if self.given > 0 {
            notices.add(Notice::Given { count: self.given, account });
        }
        Outcome { is_complete, is_in_order }
    }
}

/// The maximum number of entries that root checks to see if a directory only leads to mount points.
const SKELETON_MAX: u32 = 10_000;

/// A bounded search in directories that an engine made on the path of mount points.
struct Lookup<'m> {
    mounts: &'m mut Option<HashSet<PathBuf>>,
    looks_left: u32,
}

impl Lookup<'_> {
    /// Tells if the directory holds only mount points, and directories of root for which the same is true.
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

/// Returns the mount points of this process, or none if the list is unreadable.
fn mount_points() -> HashSet<PathBuf> {
    mounts::all().unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests;
