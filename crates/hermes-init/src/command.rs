//! The container's command: the program that the user asked for.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use nix::unistd::Pid;

use crate::environment::Environment;
use crate::forwarder;
use crate::spawn::{self, Traits};

/// Starts the command: its own process group, in the foreground of the terminal
/// if there is one, with the container's standard streams and working directory.
pub(crate) fn start(
    program: &OsString,
    arguments: &[OsString],
    environment: &Environment,
) -> io::Result<Pid> {
    forwarder::make_streams_blocking();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter());
    spawn::spawn(command, Traits { own_group: true, foreground: true, ..Traits::default() })
}

/// What a shell would exit with: 127 when there is no such program, 126 when it cannot be run.
pub(crate) fn code_of_failed_exec(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}
