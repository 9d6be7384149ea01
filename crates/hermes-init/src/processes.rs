//! The processes of the container, read once from `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

struct Process {
    /// `None` for a parent outside of the container.
    parent: Option<Pid>,
    name: Vec<u8>,
}

/// The content of `/proc` at one moment.
pub(crate) struct Processes(HashMap<Pid, Process>);

impl Processes {
    /// Reads the processes that run now. A process that ends meanwhile may be missing or included.
    pub(crate) fn now() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbered = entries.filter_map(|entry| parse_pid(entry.file_name().to_str()?));
        let found = numbered.filter_map(|pid| {
            let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
            Some((pid, parse_stat(&stat)?))
        });
        Self(found.collect())
    }

    /// Returns all processes below a process, without itself.
    pub(crate) fn below(&self, ancestor: Pid) -> HashSet<Pid> {
        let mut found = HashSet::new();
        let mut generation = HashSet::from([ancestor]);
        while !generation.is_empty() {
            let children = self
                .0
                .iter()
                .filter(|(_, process)| process.parent.is_some_and(|parent| generation.contains(&parent)));
            generation = children.map(|(pid, _)| *pid).filter(|pid| found.insert(*pid)).collect();
        }
        found
    }

    /// Returns the direct children of a process that have this name.
    pub(crate) fn children_named(&self, parent: Pid, name: &[u8]) -> Vec<Pid> {
        let wanted = |process: &Process| process.parent == Some(parent) && process.name == name;
        self.0.iter().filter(|(_, process)| wanted(process)).map(|(pid, _)| *pid).collect()
    }

    /// Returns the processes below a process that have this name.
    pub(crate) fn named_below(&self, ancestor: Pid, name: &[u8]) -> Vec<Pid> {
        let below = self.below(ancestor).into_iter();
        below.filter(|pid| self.0.get(pid).is_some_and(|process| process.name == name)).collect()
    }

    /// Returns the services below a process: the children of each `s6-supervise`.
    pub(crate) fn supervised_below(&self, ancestor: Pid) -> Vec<Pid> {
        let is_supervise = |pid: &Pid| self.0.get(pid).is_some_and(|process| process.name == b"s6-supervise");
        let is_service = |process: &Process| process.parent.is_some_and(|parent| is_supervise(&parent));
        let below = self.below(ancestor).into_iter();
        below.filter(|pid| self.0.get(pid).is_some_and(is_service)).collect()
    }
}

/// Sends a signal to each process. Ignores processes that have ended.
pub(crate) fn signal_all(processes: impl IntoIterator<Item = Pid>, signal: Signal) {
    for pid in processes {
        let _ = kill_process(pid, signal);
    }
}

/// Parses `pid (name) state parent …`. The name may hold any byte, `)` included.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let parent = parse_pid(rest.split_ascii_whitespace().nth(1)?);
    Some(Process { parent, name: stat.get(open + 1..close)?.to_vec() })
}

fn parse_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok().filter(|&number| number > 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid_of(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    fn picture(processes: &[(i32, i32, &str)]) -> Processes {
        let process = |&(pid, parent, name): &(i32, i32, &str)| {
            (pid_of(pid), Process { parent: Pid::from_raw(parent), name: name.as_bytes().to_vec() })
        };
        Processes(processes.iter().map(process).collect())
    }

    #[test]
    fn process_name_may_hold_parentheses_and_spaces() {
        let process = parse_stat(b"12 (a) S 9 (b)) S 7 12 12").unwrap();
        assert_eq!((process.parent, process.name.as_slice()), (Some(pid_of(7)), &b"a) S 9 (b)"[..]));
    }

    #[test]
    fn services_are_children_of_s6_supervise_at_any_depth() {
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
        let mut services = processes.supervised_below(Pid::INIT);
        services.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
        assert_eq!(services, [4, 6].map(pid_of));
        assert_eq!(processes.below(Pid::INIT), HashSet::from([2, 3, 4, 5, 6, 7, 8].map(pid_of)));
    }
}
