//! The processes of the container, read once from `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

struct Process {
    parent: i32,
    name: Vec<u8>,
}

/// A picture of `/proc` at one moment.
pub(crate) struct Processes(HashMap<i32, Process>);

impl Processes {
    /// What runs now. A process that ends meanwhile may be missing or still there.
    pub(crate) fn now() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbered = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let found = numbered.filter_map(|pid: i32| {
            let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parse_stat(&stat)?))
        });
        Self(found.collect())
    }

    /// Everything below a process, without itself.
    pub(crate) fn below(&self, ancestor: Pid) -> HashSet<i32> {
        let mut found = HashSet::new();
        let mut generation = HashSet::from([ancestor.as_raw()]);
        while !generation.is_empty() {
            let children = self.0.iter().filter(|(_, process)| generation.contains(&process.parent));
            generation = children.map(|(pid, _)| *pid).filter(|pid| found.insert(*pid)).collect();
        }
        found
    }

    /// The direct children of a process that have this name.
    pub(crate) fn children_named(&self, parent: Pid, name: &[u8]) -> Vec<i32> {
        let wanted = |process: &Process| process.parent == parent.as_raw() && process.name == name;
        self.0.iter().filter(|(_, process)| wanted(process)).map(|(pid, _)| *pid).collect()
    }

    /// The processes below a process that have this name.
    pub(crate) fn named_below(&self, ancestor: Pid, name: &[u8]) -> Vec<i32> {
        let below = self.below(ancestor).into_iter();
        below.filter(|pid| self.0.get(pid).is_some_and(|process| process.name == name)).collect()
    }

    /// The services below a process: whatever an `s6-supervise` has started.
    pub(crate) fn supervised_below(&self, ancestor: Pid) -> Vec<i32> {
        let is_supervise = |pid: i32| self.0.get(&pid).is_some_and(|process| process.name == b"s6-supervise");
        let below = self.below(ancestor).into_iter();
        below.filter(|pid| self.0.get(pid).is_some_and(|process| is_supervise(process.parent))).collect()
    }
}

/// Sends a signal to each; one that is gone already is no matter.
pub(crate) fn signal_all(processes: impl IntoIterator<Item = i32>, signal: Signal) {
    for pid in processes {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// `pid (name) state parent …`; the name may hold any byte, `)` included.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let parent = rest.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Process { parent, name: stat.get(open + 1..close)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(processes: &[(i32, i32, &str)]) -> Processes {
        let process = |&(pid, parent, name): &(i32, i32, &str)| {
            (pid, Process { parent, name: name.as_bytes().to_vec() })
        };
        Processes(processes.iter().map(process).collect())
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let process = parse_stat(b"12 (a) S 9 (b)) S 7 12 12").unwrap();
        assert_eq!((process.parent, process.name.as_slice()), (7, &b"a) S 9 (b)"[..]));
    }

    #[test]
    fn services_are_the_children_of_s6_supervise_at_any_depth() {
        let processes = picture(&[
            (1, 0, "s6-svscan"),
            (2, 1, "init"),
            (3, 1, "s6-supervise"),
            (4, 3, "s6-svscan"),
            (5, 4, "s6-supervise"),
            (6, 5, "gateway"),
            (7, 6, "worker"),
            (8, 2, "sleep"),
            (9, 0, "sh"),
        ]);
        let mut services = processes.supervised_below(Pid::from_raw(1));
        services.sort_unstable();
        assert_eq!(services, [4, 6]);
        assert_eq!(processes.below(Pid::from_raw(1)), HashSet::from([2, 3, 4, 5, 6, 7, 8]));
    }
}
