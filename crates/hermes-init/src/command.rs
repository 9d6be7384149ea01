//! The container's command: the program that the user asked for.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use rustix::process::Pid;

use crate::environment::Environment;
use crate::spawn::{self, SpawnOptions};
use crate::streams;

/// Starts the command with the container's standard streams and working directory.
///
/// It gets its own process group, in the foreground of the terminal if there is one.
pub(crate) fn start(
    program: &OsString,
    arguments: &[OsString],
    environment: &Environment,
) -> io::Result<Pid> {
    streams::make_blocking();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter());
    spawn::spawn(command, SpawnOptions { own_group: true, foreground: true, ..SpawnOptions::default() })
}

/// Returns the exit code that a shell gives: 127 if the program does not exist, 126 if it cannot be executed.
pub(crate) fn exec_failure_code(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}
