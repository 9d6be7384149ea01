//! The end of all processes that a call started. This process is their subreaper, so each orphan becomes its child.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use hermes_os::process::ProcessStat;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::file_access;

/// The children that ended, or their absence.
pub(super) enum Reaped {
    /// This child ended.
    One(WaitStatus),
    /// All children run.
    NoneEnded,
    /// No child is left.
    NoneLeft,
}

/// Takes the status of one child that ended, of any kind.
pub(super) fn reap() -> Reaped {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Ok(WaitStatus::StillAlive) => return Reaped::NoneEnded,
            Ok(status) => return Reaped::One(status),
            Err(Errno::EINTR) => {}
            Err(_) => return Reaped::NoneLeft,
        }
    }
}

/// The processes that a signal of this process reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Its descendants alone.
    Descendants,
    /// All processes of its account.
    Account,
}

impl Reach {
    /// Restricts the signals of this process to its descendants, for good, if the kernel can. Called before the first child exists.
    pub(super) fn restrict() -> Self {
        // A process without rights to signal its parent has the restriction in fact.
        match file_access::restrict_signals() {
            Ok(true) if kill(Pid::parent(), None).is_err() => Self::Descendants,
            _ => Self::Account,
        }
    }
}

/// Ends all descendants. Returns when none is left, also no zombie. `pause` waits for the end of a child, for a short time.
pub(super) fn end_all(reach: Reach, mut pause: impl FnMut()) {
    loop {
        loop {
            match reap() {
                Reaped::One(_) => {}
                Reaped::NoneEnded => break,
                Reaped::NoneLeft => return,
            }
        }
        match reach {
            // One call, and no process forks in between. A bomb leaves the processor to this process too seldom for more.
            Reach::Descendants => {
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            }
            Reach::Account => end_one_by_one(),
        }
        pause();
    }
}

/// Stops the descendants, and then ends them. A stopped process forks no more.
///
/// A process that forks while it is looked at can be missed. The caller repeats this until the kernel knows no child.
fn end_one_by_one() {
    let mut seen = BTreeSet::new();
    loop {
        let new: Vec<Pid> = all().into_iter().filter(|pid| seen.insert(*pid)).collect();
        for pid in &new {
            // It may have ended by itself.
            let _ = kill(*pid, Signal::SIGSTOP);
        }
        // A call whose processes continue each other is cut here.
        if new.is_empty() || seen.len() > 100_000 {
            break;
        }
    }
    for pid in &seen {
        let _ = kill(*pid, Signal::SIGKILL);
    }
}

/// Returns the descendants that run now.
fn all() -> Vec<Pid> {
    let own = std::process::id();
    by_children(own).unwrap_or_else(|_| below(own, &parents()))
}

/// Returns the descendants from the lists of children. It looks at no other process, so it is faster than a process that forks.
///
/// # Errors
/// The kernel has no such lists.
fn by_children(own: u32) -> io::Result<Vec<Pid>> {
    let mut found = children_of(own)?;
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        next += 1;
        // A process that ended meanwhile has no children.
        found.extend(children_of(pid).unwrap_or_default());
    }
    Ok(found.into_iter().map(|pid| Pid::from_raw(pid.cast_signed())).collect())
}

/// Returns the children of all threads of a process.
fn children_of(pid: u32) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let list = fs::read_to_string(thread?.path().join("children"))?;
        found.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(found)
}

/// Returns all processes by their parent.
fn parents() -> BTreeMap<u32, Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid
            && let Ok(stat) = ProcessStat::of(pid)
        {
            children.entry(stat.parent_pid).or_default().push(pid);
        }
    }
    children
}

/// Returns the descendants of `own`.
fn below(own: u32, children: &BTreeMap<u32, Vec<u32>>) -> Vec<Pid> {
    let mut found: Vec<u32> = children.get(&own).cloned().unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let below = children.get(pid).cloned().unwrap_or_default();
        found.extend(below);
        next += 1;
    }
    found.into_iter().map(|pid| Pid::from_raw(pid.cast_signed())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_of_descendants_are_found() {
        let children = BTreeMap::from([(1, vec![2, 9]), (2, vec![3, 4]), (4, vec![5]), (9, vec![10])]);
        assert_eq!(below(2, &children), [3, 4, 5].map(Pid::from_raw));
        assert_eq!(below(5, &children), []);
    }

    #[test]
    fn both_ways_find_a_child() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let own = std::process::id();
        assert!(below(own, &parents()).contains(&pid));
        // Some kernels have no lists of children.
        assert!(by_children(own).map_or(true, |found| found.contains(&pid)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
