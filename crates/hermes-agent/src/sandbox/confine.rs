//! The confined child: it gives up its rights, step by step, and becomes the task.

use std::convert::Infallible;
use std::ffi::{CString, NulError};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Pid, chdir, getppid, ioctl_tiocsctty, set_dumpable_behavior,
    set_parent_process_death_signal, setsid, umask,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use serde_json::Value;
use thiserror::Error;

use super::channel::{self, ChannelError};
use super::file_access::{self, FileAccessError};
use super::level::Level;
use super::policy::{Enforcement, Policy};
use super::request::{Ended, Request, Task, cause};
use super::streams::ChildEnds;
use super::system_calls::{self, FilterError};
use crate::tools::ToolOutput;

/// The directories of programs, if the environment of a call has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The parts of a child that its supervisor prepares before the fork.
pub(super) struct Child {
    /// The supervisor.
    pub(super) supervisor: Pid,
    /// The channel to the supervisor.
    pub(super) channel: OwnedFd,
    /// The standard streams.
    pub(super) ends: ChildEnds,
    /// The input is a terminal, and the output goes there.
    pub(super) has_terminal: bool,
}

/// A failure before the task starts.
#[derive(Debug, Error)]
enum StartError {
    #[error("failed to {step}")]
    Step { step: &'static str, source: io::Error },
    #[error("failed to start the call: its supervisor ended")]
    Orphan,
    #[error("failed to confine the call: this kernel has no Landlock")]
    NoLandlock,
    #[error("failed to confine the call: this kernel does not filter system calls")]
    NoSeccomp,
    #[error(transparent)]
    Files(#[from] FileAccessError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("failed to enter the directory {}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("failed to execute {program}")]
    Execute { program: String, source: io::Error },
    #[error("failed to start a command without a program")]
    NoProgram,
    #[error("failed to pass an argument with a NUL byte")]
    Nul(#[from] NulError),
}

impl StartError {
    /// Returns the report of this failure.
    fn ended(&self) -> Ended {
        let cause = cause(self);
        match self {
            Self::Directory { .. } | Self::Execute { .. } | Self::NoProgram | Self::Nul(_) => {
                Ended::NotStarted { cause }
            }
            _ => Ended::NotConfined { cause },
        }
    }
}

/// Names the step that failed.
trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, StartError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, StartError> {
        self.map_err(|source| StartError::Step { step, source: source.into() })
    }
}

/// Becomes the task of `request`. Called in the process that fork(2) made, with one thread.
pub(super) fn become_task(
    mut child: Child,
    request: Request,
    run_tool: impl FnOnce(&str, Value) -> ToolOutput,
) -> ! {
    // A panic must not go on in the code of the supervisor.
    let code = catch_unwind(AssertUnwindSafe(|| match prepare(&mut child, &request) {
        Ok(()) => match request.task {
            Task::Tool { name, arguments } => {
                drop(child);
                // A new program can be read by its account, and so can this task: the broker has to look at its files. It
                // holds its own request alone. A failure shows in the calls that need the broker.
                let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
                answer(&run_tool(&name, arguments))
            }
            Task::Command { ref arguments, .. } => {
                let Err(error) = execute(arguments, &request);
                channel::report(child.channel.as_fd(), &error.ended())
            }
        },
        Err(error) => channel::report(child.channel.as_fd(), &error.ended()),
    }));
    std::process::exit(code.unwrap_or(101))
}

/// Writes the output of a tool. Returns the exit code.
fn answer(output: &ToolOutput) -> i32 {
    let mut stdout = io::stdout().lock();
    let written =
        serde_json::to_writer(&mut stdout, output).map_err(io::Error::from).and_then(|()| stdout.flush());
    i32::from(written.is_err())
}

/// Gives up all that the call must not have. The order counts: each step still needs the rights that later ones take.
fn prepare(child: &mut Child, request: &Request) -> Result<(), StartError> {
    SigSet::empty().thread_set_mask().step("unblock the signals")?;
    setsid().step("begin a session")?;
    // The kernel kills the child if its supervisor dies by an accident. It may have died already.
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .step("tie the call to its supervisor")?;
    if getppid() != Some(child.supervisor) {
        return Err(StartError::Orphan);
    }
    connect_streams(child).step("connect input and output")?;
    close_others(child.channel.as_raw_fd()).step("close the other descriptors")?;
    // A profile's directory is closed to other accounts. Below it, files have the modes of a developer's machine: several programs
    // refuse files that only their owner can read.
    umask(Mode::from_raw_mode(0o022));
    let directory = &request.working_directory;
    chdir(directory)
        .map_err(|error| StartError::Directory { path: directory.clone(), source: error.into() })?;
    request.policy.limits.apply().step("set the resource limits")?;
    set_no_new_privs(true).step("set no_new_privs")?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .step("drop the capabilities")?;
    confine(child, &request.policy)
}

/// Confines this process with Landlock and seccomp.
fn confine(child: &Child, policy: &Policy) -> Result<(), StartError> {
    let level = Level::probe();
    if !level.seccomp {
        return Err(StartError::NoSeccomp);
    }
    match (level.landlock_abi, policy.enforcement) {
        (Some(_), _) => {
            file_access::restrict(policy, child.has_terminal.then(io::stdin).as_ref().map(AsFd::as_fd))?
        }
        (None, Enforcement::Required) => return Err(StartError::NoLandlock),
        (None, Enforcement::WithoutLandlock) => {}
    }
    let listener = system_calls::install(policy.network, level)?;
    Ok(channel::send_listener(child.channel.as_fd(), listener.as_fd())?)
}

/// Connects the standard streams. The standard error goes where the output goes, unless it is apart.
fn connect_streams(child: &mut Child) -> io::Result<()> {
    match child.ends.input.take() {
        Some(input) => dup2_stdin(input)?,
        None => dup2_stdin(std::fs::File::open("/dev/null")?)?,
    }
    if child.has_terminal {
        ioctl_tiocsctty(io::stdin())?;
        dup2_stdout(io::stdin())?;
    }
    match child.ends.errors.take() {
        Some(errors) => Ok(dup2_stderr(errors)?),
        None => Ok(dup2_stderr(io::stdout())?),
    }
}

/// Closes all descriptors but the standard streams and `kept`.
fn close_others(kept: RawFd) -> io::Result<()> {
    let kept = kept.cast_unsigned();
    if kept > 3 {
        close_range(3, kept - 1)?;
    }
    close_range(kept + 1, u32::MAX)
}

/// Closes the descriptors from `first` to `last` (close_range(2)).
pub(super) fn close_range(first: u32, last: u32) -> io::Result<()> {
    #[expect(unsafe_code, reason = "close_range(2), which rustix lacks")]
    // SAFETY: the call takes numbers alone. Descriptors that the supervisor inherits have no owner. The child never comes back to the
    // owners of the others: it ends in `exit` or `execve`.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Executes a program.
fn execute(arguments: &[String], request: &Request) -> Result<Infallible, StartError> {
    let program = arguments.first().filter(|program| !program.is_empty()).ok_or(StartError::NoProgram)?;
    let words = arguments.iter().map(|word| CString::new(word.as_str())).collect::<Result<Vec<_>, _>>()?;
    let variables = request.environment.iter().map(|(name, value)| CString::new(format!("{name}={value}")));
    let variables = variables.collect::<Result<Vec<_>, _>>()?;
    for number in Signal::iterator() {
        #[expect(
            unsafe_code,
            reason = "sigaction(2): exec passes ignored signals on, and Rust's start-up ignores SIGPIPE"
        )]
        // SAFETY: the default action runs no code of ours.
        // SIGKILL and SIGSTOP cannot be ignored in any case.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    let mut last = nix::Error::ENOENT;
    for path in candidates(program, request.environment.get("PATH").map_or(DEFAULT_PATH, String::as_str)) {
        let Err(error) = nix::unistd::execve(&CString::new(path)?, &words, &variables);
        match error {
            nix::Error::ENOENT | nix::Error::ENOTDIR => {}
            // A later directory may have a program that this account may execute.
            nix::Error::EACCES => last = error,
            _ => return Err(StartError::Execute { program: program.clone(), source: error.into() }),
        }
    }
    Err(StartError::Execute { program: program.clone(), source: last.into() })
}

/// Returns the paths at which a program may be.
fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    // An empty entry would be the working directory, which is the agent's.
    path.split(':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| format!("{directory}/{program}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("ls", "/usr/bin:/bin", &["/usr/bin/ls", "/bin/ls"])]
    #[case("ls", ":/bin:", &["/bin/ls"])]
    #[case("./ls", "/usr/bin:/bin", &["./ls"])]
    #[case("/bin/ls", "", &["/bin/ls"])]
    fn a_program_is_searched_in_the_path(
        #[case] program: &str,
        #[case] path: &str,
        #[case] expected: &[&str],
    ) {
        assert_eq!(candidates(program, path), expected);
    }
}
