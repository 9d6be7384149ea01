//! The set-up and finish scripts, and saying plainly why a file cannot be run.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::boot_record::BootRecord;
use crate::children::{Children, Waited};
use crate::command::code_of_failed_exec;
use crate::environment::Environment;
use crate::message;
use crate::spawn::{self, Traits};

/// What running a folder of scripts came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Each ran; the exit code of the first that failed, if one did.
    Done(Option<u8>),
    /// A stop was asked for, or the time was over.
    Interrupted,
}

/// How long a script has to end once it was told to.
const END_GRACE: Duration = Duration::from_secs(1);

/// Runs the scripts of a folder, one after the other in the order of their
/// names' bytes; each gets the same arguments. A file that cannot be run is named and skipped. `after_each` is done behind each.
pub(crate) fn run_all(
    folder: &str,
    arguments: &[OsString],
    environment: &Environment,
    children: &mut Children,
    deadline: Option<Instant>,
    record: Option<&mut BootRecord>,
    mut after_each: impl FnMut(),
) -> Outcome {
    let mut record = record;
    let mut first_failure = None;
    let label = Path::new(folder).file_name().unwrap_or_default().to_string_lossy().into_owned();
    for script in scripts_of(folder) {
        let name = format!("{label}/{}", script.file_name().unwrap_or_default().to_string_lossy());
        if let Some(reason) = why_not_executable(&script) {
            message::warning(format_args!("{} was skipped: {reason}", script.display()));
            continue;
        }
        message::info(format_args!("running {}", script.display()));
        let start = record.as_ref().map(|record| record.now_us());
        let waited = run(&script, arguments, environment, children, deadline);
        let code = match waited {
            Waited::Ended(code) => code,
            Waited::Stop | Waited::TreeEnded | Waited::TimedOut => {
                if waited == Waited::TimedOut {
                    message::warning(format_args!("{} took too long and was ended", script.display()));
                }
                return Outcome::Interrupted;
            }
        };
        if let (Some(record), Some(start)) = (record.as_deref_mut(), start) {
            record.part_ended(&label, name, start, Some(code));
        }
        if code != 0 {
            message::warning(format_args!("{} exited {code}", script.display()));
            first_failure = first_failure.or(Some(code));
        }
        after_each();
    }
    Outcome::Done(first_failure)
}

/// Runs one script to its end; ends it, and what it started, when it may not go on.
fn run(
    script: &Path,
    arguments: &[OsString],
    environment: &Environment,
    children: &mut Children,
    deadline: Option<Instant>,
) -> Waited {
    let mut command = Command::new(script);
    command.args(arguments).stdin(Stdio::null()).current_dir("/").env_clear().envs(environment.iter());
    // Looked at first: execvp(3) would hand what is no program at all to a shell.
    let spawned = match first_line(script).map(|line| fault_of_first_line(&line)) {
        Ok(Some(fault)) => Err(io::Error::other(fault)),
        Ok(None) => spawn::spawn(command, Traits { own_group: true, ..Traits::default() }),
        Err(error) => Err(error),
    };
    match spawned {
        Ok(child) => {
            let waited = children.wait_or_stop(child, deadline);
            if !matches!(waited, Waited::Ended(_)) {
                children.end_group(child, END_GRACE);
            }
            waited
        }
        Err(error) => {
            message::warning(format_args!("{} cannot be run: {error}", script.display()));
            Waited::Ended(code_of_failed_exec(&error))
        }
    }
}

/// The files of a folder, by the bytes of their names; what begins with a dot is nobody's script.
fn scripts_of(folder: &str) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            message::warning(format_args!("cannot read {folder}: {error}"));
            return Vec::new();
        }
    };
    let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| !name.as_bytes().starts_with(b"."));
    names.sort();
    names.into_iter().map(|name| Path::new(folder).join(name)).collect()
}

/// Why a file is not a program at all.
fn why_not_executable(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Err(error) => Some(error.to_string()),
        Ok(found) if found.is_dir() => Some("it is a directory".into()),
        Ok(found) if !found.is_file() => Some("it is not a regular file".into()),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            Some("it is not executable (chmod +x mends that)".into())
        }
        Ok(_) => None,
    }
}

/// Why a service's script cannot be run, before s6 finds out once a second.
pub(crate) fn why_not_runnable(path: &Path) -> Option<String> {
    why_not_executable(path).or_else(|| match first_line(path) {
        Ok(line) => fault_of_first_line(&line),
        Err(error) => Some(error.to_string()),
    })
}

/// The first line, without its newline, as far as the kernel would look at it.
fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(256).read_to_end(&mut head)?;
    let end = head.iter().position(|&byte| byte == b'\n').unwrap_or(head.len());
    head.truncate(end);
    Ok(head)
}

/// The kernel's own word would be "No such file" for each of these.
fn fault_of_first_line(line: &[u8]) -> Option<String> {
    if line.starts_with(b"\x7fELF") {
        return None;
    }
    let Some(rest) = line.strip_prefix(b"#!") else {
        return Some("its first line names no interpreter, as in #!/bin/sh, and it is no program".into());
    };
    if rest.ends_with(b"\r") {
        return Some("it has Windows line ends (CRLF); save it with Unix ones (LF)".into());
    }
    let interpreter = rest.trim_ascii().split(|byte| byte.is_ascii_whitespace()).next()?;
    let interpreter = String::from_utf8_lossy(interpreter);
    (!Path::new(interpreter.as_ref()).exists())
        .then(|| format!("its interpreter {interpreter:?} does not exist in this image"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::good(b"#!/bin/sh -e", None)]
    #[case::space(b"#! /bin/sh", None)]
    #[case::program(b"\x7fELF\x02", None)]
    #[case::windows(b"#!/bin/sh\r", Some("CRLF"))]
    #[case::missing(b"#!/usr/bin/python9 -u", Some("\"/usr/bin/python9\" does not exist"))]
    #[case::no_interpreter(b"echo hello", Some("names no interpreter"))]
    #[case::empty(b"", Some("names no interpreter"))]
    fn the_first_line_tells_why_a_script_cannot_run(#[case] line: &[u8], #[case] fault: Option<&str>) {
        match (fault_of_first_line(line), fault) {
            (None, None) => {}
            (Some(said), Some(expected)) if said.contains(expected) => {}
            (said, expected) => panic!("said {said:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn scripts_run_in_the_order_of_the_bytes_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["10-b", "2-a", ".hidden", "10-B", "01"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<_> = scripts_of(folder.path().to_str().unwrap())
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["01", "10-B", "10-b", "2-a"]);
    }
}
