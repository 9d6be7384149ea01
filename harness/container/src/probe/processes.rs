//! The processes of a container, from `/proc` (proc(5)), in one command.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::container::Container;
use crate::error::{Error, Result};
use crate::outcome::shell_words;

/// `head` reads all the files in one process and puts each one's name in front. Its own PID is the shell's.
const LOOK: &str = r#"echo $$
cd /proc && exec head -v -c 65536 /etc/passwd [0-9]*/stat [0-9]*/status [0-9]*/cmdline 2>/dev/null"#;

/// A process, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process ID in the container.
    pub pid: u32,
    /// Its parent; 0 when that is outside the container, as for what `docker exec` starts.
    pub ppid: u32,
    /// `R S D T Z …`.
    pub state: char,
    /// Process group.
    pub pgid: i32,
    /// Session.
    pub session: i32,
    /// The terminal's number, 0 without one.
    pub tty: i32,
    /// The foreground process group of its terminal, -1 without one.
    pub tpgid: i32,
    /// Start time in ticks since the machine's boot.
    pub start_ticks: u64,
    /// Effective UID.
    pub uid: u32,
    /// Effective GID.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The account's name in the container, or the UID.
    pub user: String,
    /// The short name, as in `/proc/<pid>/comm`.
    pub comm: String,
    /// The arguments; none of a zombie.
    pub argv: Vec<String>,
}

impl Process {
    /// Returns whether it is a zombie: ended, and not waited for.
    pub fn is_zombie(&self) -> bool {
        self.state == 'Z'
    }

    /// Returns whether its process group is in the foreground of its terminal.
    pub fn is_in_foreground(&self) -> bool {
        self.tty != 0 && self.tpgid == self.pgid
    }
}

impl Container {
    /// All processes of the container but the one that looks.
    pub async fn processes(&self) -> Result<Vec<Process>> {
        let output = self.exec_sh(LOOK).probing().await?.either_way();
        let text = output.stdout();
        let parsed = text.split_once('\n').and_then(|(own, rest)| Some((own.parse().ok()?, rest)));
        let (own, files): (u32, &str) =
            parsed.ok_or_else(|| Error::Command(output.report("a PID and files")))?;
        let mut processes = parse(files).map_err(|why| Error::Parse {
            what: "list of processes".to_owned(),
            why,
            text: text.clone(),
        })?;
        processes.retain(|process| process.pid != own);
        if processes.is_empty() {
            return Err(Error::Command(output.report("at least PID 1")));
        }
        Ok(processes)
    }

    /// The processes with this short name.
    pub async fn processes_named(&self, comm: &str) -> Result<Vec<Process>> {
        Ok(self.processes().await?.into_iter().filter(|process| process.comm == comm).collect())
    }

    /// The processes that have ended and were not reaped.
    pub async fn zombies(&self) -> Result<Vec<Process>> {
        Ok(self.processes().await?.into_iter().filter(Process::is_zombie).collect())
    }
}

fn parse(files: &str) -> Result<Vec<Process>, String> {
    let sections = sections(files);
    let users = users(sections.get("/etc/passwd").copied().unwrap_or_default());
    let mut processes = Vec::new();
    for (path, stat) in &sections {
        let Some(pid) = path.strip_suffix("/stat").and_then(|pid| pid.parse().ok()) else { continue };
        // A process that ended between two reads has not all of its files.
        let Some(status) = sections.get(format!("{pid}/status").as_str()) else { continue };
        let cmdline = sections.get(format!("{pid}/cmdline").as_str()).copied().unwrap_or_default();
        processes.push(process(pid, stat, status, cmdline, &users)?);
    }
    processes.sort_by_key(|process| process.pid);
    Ok(processes)
}

/// Splits what `head -v` prints: `==> name <==`, a newline, the content, a newline before the next name.
fn sections(text: &str) -> HashMap<&str, &str> {
    let mut sections = HashMap::new();
    let mut rest = text.strip_prefix("==> ");
    while let Some(section) = rest {
        let Some((name, content)) = section.split_once(" <==\n") else { break };
        let (content, next) = match content.find("\n==> ") {
            Some(end) => (&content[..end], Some(&content[end + "\n==> ".len()..])),
            None => (content, None),
        };
        if !content.is_empty() {
            sections.insert(name, content);
        }
        rest = next;
    }
    sections
}

fn users(passwd: &str) -> HashMap<u32, String> {
    let mut users = HashMap::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(uid)) = (fields.next(), fields.nth(1))
            && let Ok(uid) = uid.parse()
        {
            users.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    users
}

fn process(
    pid: u32,
    stat: &str,
    status: &str,
    cmdline: &str,
    users: &HashMap<u32, String>,
) -> Result<Process, String> {
    let broken = || format!("process {pid} has an unreadable stat line {stat:?}");
    let (head, tail) = stat.rsplit_once(')').ok_or_else(broken)?;
    let comm = head.split_once('(').ok_or_else(broken)?.1.to_owned();
    // Field 3, the state, is the first behind the name.
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<i64>().ok());
    let int = |field| number(field).and_then(|value| i32::try_from(value).ok()).ok_or_else(broken);
    let ids = |name: &str| -> Vec<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect()
    };
    // Real, effective, saved, file system.
    let effective = |name: &str| {
        ids(name).get(1).copied().ok_or_else(|| format!("process {pid} has no line {name:?} in its status"))
    };
    let uid = effective("Uid:")?;
    Ok(Process {
        pid,
        ppid: number(4).and_then(|ppid| u32::try_from(ppid).ok()).ok_or_else(broken)?,
        state: fields.first().and_then(|state| state.chars().next()).ok_or_else(broken)?,
        pgid: int(5)?,
        session: int(6)?,
        tty: int(7)?,
        tpgid: int(8)?,
        start_ticks: number(22).and_then(|ticks| u64::try_from(ticks).ok()).ok_or_else(broken)?,
        uid,
        gid: effective("Gid:")?,
        groups: ids("Groups:"),
        user: users.get(&uid).cloned().unwrap_or_else(|| uid.to_string()),
        comm,
        argv: cmdline.split_terminator('\0').map(str::to_owned).collect(),
    })
}

/// The processes as a tree that a person can read, for messages and evidence.
pub fn process_table(processes: &[Process]) -> String {
    let mut text = String::from("  PID  PPID STAT USER     COMMAND\n");
    let known = |pid: u32| processes.iter().any(|process| process.pid == pid);
    let roots: Vec<&Process> = processes.iter().filter(|process| !known(process.ppid)).collect();
    for root in roots {
        branch(&mut text, processes, root, 0);
    }
    text
}

fn branch(text: &mut String, processes: &[Process], process: &Process, depth: usize) {
    let command =
        if process.argv.is_empty() { format!("[{}]", process.comm) } else { shell_words(&process.argv) };
    let _ = writeln!(
        text,
        "{:5} {:5} {:4} {:8} {}{command}",
        process.pid,
        process.ppid,
        process.state,
        process.user,
        "  ".repeat(depth)
    );
    for child in processes.iter().filter(|child| child.ppid == process.pid && child.pid != process.pid) {
        branch(text, processes, child, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uid: u32) -> String {
        format!("Name:\tx\nUid:\t0\t{uid}\t0\t0\nGid:\t0\t{uid}\t0\t0\nGroups:\t4 24 \nThreads:\t1\n")
    }

    fn captured() -> String {
        let stat = |pid, comm, state, ppid| {
            format!(
                "{pid} ({comm}) {state} {ppid} {pid} {pid} 34816 {pid} 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 9\n"
            )
        };
        [
            "==> /etc/passwd <==\nroot:x:0:0:root:/root:/bin/bash\napp:x:10000:10000::/srv:/bin/bash\n",
            &format!("\n==> 1/stat <==\n{}", stat(1, "s6-svscan", 'S', 0)),
            &format!("\n==> 20/stat <==\n{}", stat(20, "a) (b", 'Z', 1)),
            &format!("\n==> 30/stat <==\n{}", stat(30, "gone", 'S', 1)),
            &format!("\n==> 1/status <==\n{}", status(0)),
            &format!("\n==> 20/status <==\n{}", status(10000)),
            "\n==> 1/cmdline <==\ns6-svscan\0-d4\0--\0\0/run/s6/scandir\0",
            "\n==> 20/cmdline <==\n",
            "\n==> 30/cmdline <==\n",
        ]
        .concat()
    }

    #[test]
    fn processes_are_read_with_names_that_hold_anything() {
        let processes = parse(&captured()).unwrap();
        assert_eq!(processes.len(), 2, "process 30 ended while it was looked at");
        let first = &processes[0];
        assert_eq!((first.pid, first.ppid, first.user.as_str()), (1, 0, "root"));
        assert_eq!(first.argv, ["s6-svscan", "-d4", "--", "", "/run/s6/scandir"]);
        assert_eq!((first.start_ticks, first.tpgid, first.session), (77, 1, 1));
        assert!(first.is_in_foreground());
        let second = &processes[1];
        assert_eq!((second.comm.as_str(), second.user.as_str(), second.uid), ("a) (b", "app", 10000));
        assert_eq!(second.groups, [4, 24]);
        assert!(second.is_zombie() && second.argv.is_empty());
    }

    #[test]
    fn the_table_is_a_tree() {
        let table = process_table(&parse(&captured()).unwrap());
        assert_eq!(
            table,
            "  PID  PPID STAT USER     COMMAND\n\
             \x20   1     0 S    root     s6-svscan -d4 -- '' /run/s6/scandir\n\
             \x20  20     1 Z    app        [a) (b]\n"
        );
    }

    #[test]
    fn what_is_no_list_of_processes_is_an_error() {
        assert!(parse("==> 1/stat <==\nnonsense\n\n==> 1/status <==\nUid:\t0\t0\n").is_err());
        assert_eq!(parse("").unwrap(), []);
    }
}
