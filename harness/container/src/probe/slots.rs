//! Slots of the supervision trees, as `s6-svstat` sees them.
//!
//! A slot is named (`gateway-coder`, looked for in the layout's first scan directory) or given by its path.

use std::fmt;

use crate::container::Container;
use crate::error::{Error, Result};
use crate::wait::{Look, Looked};

/// The fields that `s6-svstat -o` is asked for, in the order in which [`parse_fields`] reads them.
const FIELDS: &str = "up,wantedup,normallyup,ready,paused,pid,exitcode,signum,updownfor";

/// `$1` is the tools' directory, `$2` the fields; the rest are slots. One line a slot: path, then fields or the error.
const LOOK: &str = r#"tools=$1 fields=$2; shift 2
for slot; do printf '%s\t%s\n' "$slot" "$("$tools"/s6-svstat -o "$fields" "$slot" 2>&1)"; done"#;

/// How a slot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The service directory.
    pub path: String,
    /// True if its process runs.
    pub up: bool,
    /// True if its desired state is up, as `s6-svc -u` and `-d` set it.
    pub wanted_up: bool,
    /// True if it comes up at boot: it has no `down` file.
    pub normally_up: bool,
    /// True if its process has notified readiness. A slot without notification never has.
    pub ready: bool,
    /// True if its process is stopped by SIGSTOP through `s6-svc -p`.
    pub paused: bool,
    /// The process, when up.
    pub pid: Option<u32>,
    /// The exit code of the last process, when down and it exited.
    pub exit_code: Option<i32>,
    /// The signal that killed the last process, when down and it was killed.
    pub signal: Option<i32>,
    /// For how many seconds it has been up or down.
    pub seconds: u64,
}

impl Slot {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), if self.up { "up" } else { "down" })?;
        if let Some(pid) = self.pid {
            write!(f, " (pid {pid})")?;
        }
        if let Some(code) = self.exit_code {
            write!(f, " (exited {code})")?;
        }
        if let Some(signal) = self.signal {
            write!(f, " (killed by signal {signal})")?;
        }
        write!(f, " for {} s", self.seconds)?;
        let words = [
            (self.ready, "ready"),
            (self.paused, "paused"),
            (self.wanted_up != self.up, if self.wanted_up { "wanted up" } else { "wanted down" }),
            (self.normally_up != self.up, if self.normally_up { "normally up" } else { "normally down" }),
        ];
        for (_, word) in words.into_iter().filter(|(holds, _)| *holds) {
            write!(f, ", {word}")?;
        }
        Ok(())
    }
}

impl Container {
    /// A slot; `None` when nothing supervises it, because it does not exist or its supervisor is not there (yet).
    pub async fn slot(&self, name: &str) -> Result<Option<Slot>> {
        let path = self.slot_path(name);
        Ok(self.look_at_slots(&[path]).await?.into_iter().next())
    }

    /// The supervised slots of a scan directory. s6 skips names with a dot in front, and so does this.
    pub async fn slots(&self, scan_directory: &str) -> Result<Vec<Slot>> {
        let output = self
            .exec([
                "sh",
                "-c",
                r#"cd "$1" && for slot in */; do printf '%s\n' "${slot%/}"; done"#,
                "sh",
                scan_directory,
            ])
            .probing()
            .await?;
        if output.exit_code() != 0 {
            return Err(Error::Command(output.report(&format!("a scan directory {scan_directory}"))));
        }
        let names = output.stdout();
        let paths: Vec<String> = names
            .lines()
            .filter(|name| *name != "*")
            .map(|name| format!("{scan_directory}/{name}"))
            .collect();
        self.look_at_slots(&paths).await
    }

    /// The path of a slot that is given by its name.
    pub fn slot_path(&self, name: &str) -> String {
        match self.layout().s6.and_then(|s6| s6.scan_directories.first()) {
            Some(directory) if !name.contains('/') => format!("{directory}/{name}"),
            _ => name.to_owned(),
        }
    }

    async fn look_at_slots(&self, paths: &[String]) -> Result<Vec<Slot>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let Some(s6) = self.layout().s6 else {
            return Err(Error::Command(
                "failed to look at slots: the layout of the image has no s6".to_owned(),
            ));
        };
        let mut command: Vec<String> = ["sh", "-c", LOOK, "sh", s6.tools, FIELDS].map(str::to_owned).into();
        command.extend_from_slice(paths);
        let output = self.exec(command).probing().await?;
        if output.exit_code() != 0 {
            return Err(Error::Command(output.report("s6-svstat to run")));
        }
        parse_lines(&output.stdout())
    }
}

fn parse_lines(text: &str) -> Result<Vec<Slot>> {
    let mut slots = Vec::new();
    for line in text.lines() {
        let (path, fields) = line.split_once('\t').unwrap_or((line, ""));
        if is_unsupervised(fields) {
            continue;
        }
        slots.push(parse_fields(path, fields).ok_or_else(|| Error::Parse {
            what: format!("state of slot {path}"),
            why: "not what s6-svstat -o prints".to_owned(),
            text: line.to_owned(),
        })?);
    }
    Ok(slots)
}

/// Recognizes the answer of `s6-svstat` for a directory without an s6-supervise.
fn is_unsupervised(text: &str) -> bool {
    text.contains("No such file or directory") || text.contains("s6-supervise not running")
}

/// Reads the output of `s6-svstat -o FIELDS`: words with a space between; -1 where there is nothing to say.
fn parse_fields(path: &str, text: &str) -> Option<Slot> {
    let mut words = text.split_ascii_whitespace();
    let mut flag = || match words.next()? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    let (up, wanted_up, normally_up, ready, paused) = (flag()?, flag()?, flag()?, flag()?, flag()?);
    let mut number = || words.next()?.parse::<i64>().ok();
    let (pid, exit_code, signal, seconds) = (number()?, number()?, number()?, number()?);
    Some(Slot {
        path: path.to_owned(),
        up,
        wanted_up,
        normally_up,
        ready,
        paused,
        pid: u32::try_from(pid).ok().filter(|pid| *pid > 0),
        exit_code: i32::try_from(exit_code).ok().filter(|code| !up && *code >= 0),
        signal: i32::try_from(signal).ok().filter(|signal| !up && *signal > 0),
        seconds: u64::try_from(seconds).ok()?,
    })
}

/// Probe: the slot is up.
pub fn slot_up(name: &str) -> impl AsyncFn(&Container) -> Looked<Slot> {
    slot_where(name, |slot| slot.up)
}

/// Probe: the slot is down.
pub fn slot_down(name: &str) -> impl AsyncFn(&Container) -> Looked<Slot> {
    slot_where(name, |slot| !slot.up)
}

/// Probe: the slot's process said that it is ready.
pub fn slot_ready(name: &str) -> impl AsyncFn(&Container) -> Looked<Slot> {
    slot_where(name, |slot| slot.ready)
}

/// Probe: the slot is up with another process than this one, as after a crash.
pub fn slot_pid_other_than(name: &str, pid: u32) -> impl AsyncFn(&Container) -> Looked<Slot> {
    slot_where(name, move |slot| slot.up && slot.pid.is_some_and(|now| now != pid))
}

fn slot_where(name: &str, holds: impl Fn(&Slot) -> bool) -> impl AsyncFn(&Container) -> Looked<Slot> {
    let name = name.to_owned();
    async move |container: &Container| {
        Ok(match container.slot(&name).await? {
            Some(slot) if holds(&slot) => Look::Value(slot),
            Some(slot) => Look::NotYet(slot.to_string()),
            None => Look::NotYet(format!("nothing supervises {}", container.slot_path(&name))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_up_and_one_that_was_killed() {
        let slots = parse_lines(
            "/run/service/a\ttrue true false true false 42 -1 -1 17\n\
             /run/service/b\tfalse true true false false -1 -1 9 3\n\
             /run/service/c\tfalse false false false false -1 78 -1 0\n\
             /run/service/d\ts6-svstat: fatal: unable to read status for /run/service/d: No such file or directory\n",
        )
        .unwrap();
        assert_eq!(slots.len(), 3, "nothing supervises d");
        assert_eq!(
            (slots[0].pid, slots[0].exit_code, slots[0].signal, slots[0].seconds),
            (Some(42), None, None, 17)
        );
        assert_eq!(slots[0].to_string(), "a: up (pid 42) for 17 s, ready, normally down");
        assert_eq!(slots[1].to_string(), "b: down (killed by signal 9) for 3 s, wanted up, normally up");
        assert_eq!(slots[2].to_string(), "c: down (exited 78) for 0 s");
    }

    #[test]
    fn what_svstat_never_prints_is_an_error() {
        assert!(parse_lines("/run/service/a\tsh: s6-svstat: not found").is_err());
        assert!(parse_lines("/run/service/a\ttrue").is_err());
    }
}
