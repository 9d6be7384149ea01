//! Standard output that is closed, or full: no command panics, and the exit code tells.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use crate::volume::Volume;

/// Commands that print, of each way to print.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["status", "--json"],
    &["profile", "list"],
    &["profile", "show", "--json"],
    &["config", "list"],
    &["config", "path"],
    &["dump"],
    &["version"],
    &["--version"],
    &["--help"],
    &["profile", "--help"],
    &["completions", "bash"],
    &[],
];

fn run(volume: &Volume, words: &[&str], stdout: Stdio, stderr: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hermes"));
    command.args(words).env("HERMES_HOME", volume.path("")).stdin(Stdio::null());
    command.stdout(stdout).stderr(stderr).output().unwrap()
}

/// With something to print for each command.
fn volume() -> Volume {
    let volume = Volume::new();
    volume.write("config.yaml", "gateway:\n  port: 9000\n");
    volume
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_full_device_is_a_failure_that_says_so() {
    let volume = volume();
    for words in COMMANDS {
        let output = run(&volume, words, full(), Stdio::piped());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(73), "{words:?}: {stderr}");
        assert!(stderr.contains("error: failed to write the output"), "{words:?}: {stderr}");
        assert!(stderr.contains("hint: "), "{words:?}: {stderr}");
    }
}

#[test]
fn a_reader_that_went_away_ends_a_command_quietly() {
    let volume = volume();
    for words in COMMANDS {
        let output = run(&volume, words, closed(), Stdio::piped());
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{words:?}: {output:?}");
    }
}

#[test]
fn standard_error_that_cannot_be_written_ends_no_command() {
    let volume = volume();
    for stderr in [full, closed] {
        for (words, code) in [(&["profile", "show", "nobody"][..], 1), (&["--nonsense"], 2)] {
            let output = run(&volume, words, Stdio::piped(), stderr());
            assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        }
    }
}
