//! The set-up and finish scripts, and the reasons why a file cannot be executed.

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
use crate::command::exec_failure_code;
use crate::environment::Environment;
use crate::message;
use crate::spawn::{self, SpawnOptions};

/// The result of the scripts in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All ran. Holds the exit code of the first that failed, if one failed.
    Done(Option<u8>),
    /// Somebody asked for a stop, or the time was over.
    Interrupted,
}

/// The time that a script has to end after SIGTERM.
const END_GRACE: Duration = Duration::from_secs(1);

/// Runs the scripts of a directory one after the other, sorted by the bytes of their names. Each gets the same arguments.
///
/// A file that cannot be executed causes a warning and is skipped. Calls `after_each` after each script.
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
        if let Some(reason) = executable_fault(&script) {
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
                    message::warning(format_args!("{} timed out and was ended", script.display()));
                }
                return Outcome::Interrupted;
            }
        };
        if let (Some(record), Some(start)) = (record.as_deref_mut(), start) {
            record.add_part(&label, name, start, Some(code));
        }
        if code != 0 {
            message::warning(format_args!("{} exited {code}", script.display()));
            first_failure = first_failure.or(Some(code));
        }
        after_each();
    }
    Outcome::Done(first_failure)
}

/// Runs one script to its end. On a stop or at the deadline, it ends the script and its children.
fn run(
    script: &Path,
    arguments: &[OsString],
    environment: &Environment,
    children: &mut Children,
    deadline: Option<Instant>,
) -> Waited {
    let mut command = Command::new(script);
    command.args(arguments).stdin(Stdio::null()).current_dir("/").env_clear().envs(environment.iter());
    // Checked first: execvp(3) would pass a file that is no program to a shell.
    let spawned = match first_line(script).map(|line| first_line_fault(&line)) {
        Ok(Some(fault)) => Err(io::Error::other(fault)),
        Ok(None) => spawn::spawn(command, SpawnOptions { own_group: true, ..SpawnOptions::default() }),
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
            message::warning(format_args!("failed to run {}: {error}", script.display()));
            Waited::Ended(exec_failure_code(&error))
        }
    }
}

/// Returns the files of a directory, sorted by the bytes of their names, without those that begin with a dot.
fn scripts_of(folder: &str) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            message::warning(format_args!("failed to read {folder}: {error}"));
            return Vec::new();
        }
    };
    let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| !name.as_bytes().starts_with(b"."));
    names.sort();
    names.into_iter().map(|name| Path::new(folder).join(name)).collect()
}

/// Returns the reason why a file is no executable program.
fn executable_fault(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Err(error) => Some(error.to_string()),
        Ok(found) if found.is_dir() => Some("it is a directory".into()),
        Ok(found) if !found.is_file() => Some("it is not a regular file".into()),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            Some("it is not executable (run chmod +x on it)".into())
        }
        Ok(_) => None,
    }
}

/// Returns the reason why a service's script cannot be executed. s6 would report it once a second.
pub(crate) fn script_fault(path: &Path) -> Option<String> {
    executable_fault(path).or_else(|| match first_line(path) {
        Ok(line) => first_line_fault(&line),
        Err(error) => Some(error.to_string()),
    })
}

/// Returns the first line without its newline, up to the length that the kernel reads.
fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(256).read_to_end(&mut head)?;
    let end = head.iter().position(|&byte| byte == b'\n').unwrap_or(head.len());
    head.truncate(end);
    Ok(head)
}

/// Returns the fault of a first line. The kernel would report "No such file" for each of these faults.
fn first_line_fault(line: &[u8]) -> Option<String> {
    if line.starts_with(b"\x7fELF") {
        return None;
    }
    let Some(rest) = line.strip_prefix(b"#!") else {
        return Some("it is no program and its first line names no interpreter, as in #!/bin/sh".into());
    };
    if rest.ends_with(b"\r") {
        return Some("it has Windows line ends (CRLF); save it with Unix line ends (LF)".into());
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
    fn first_line_shows_the_fault_of_a_script(#[case] line: &[u8], #[case] fault: Option<&str>) {
        match (first_line_fault(line), fault) {
            (None, None) => {}
            (Some(said), Some(expected)) if said.contains(expected) => {}
            (said, expected) => panic!("said {said:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn scripts_are_sorted_by_the_bytes_of_their_names() {
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
