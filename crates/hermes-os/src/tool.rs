//! Runs a program with a time limit. An error holds the command, the exit status and the output.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process_group};

/// The default time limit of a call.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The failure of a program. The text is one line: the command, its end, and its stderr.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The program could not be started.
    #[error("failed to run {command}")]
    Run {
        /// The command line.
        command: String,
        /// The error of the system call.
        source: io::Error,
    },
    /// The program ended with an exit code other than 0, or by a signal.
    #[error("failed to run {command}: {status}{}", StderrSuffix(stderr))]
    Failed {
        /// The command line.
        command: String,
        /// The exit status.
        status: ExitStatus,
        /// The trimmed stderr.
        stderr: String,
    },
    /// The program exceeded its time limit and was killed.
    #[error("failed to run {command}: killed, since it did not end within {}", humantime::format_duration(*limit))]
    TimedOut {
        /// The command line.
        command: String,
        /// The time limit.
        limit: Duration,
    },
}

impl ToolError {
    /// Returns the exit code; `None` if a signal ended the program, or it never ran.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Failed { status, .. } => status.code(),
            Self::Run { .. } | Self::TimedOut { .. } => None,
        }
    }
}

/// Returns the program `name` in the first directory of `path`, the value of `PATH`, that has it. Skips
/// relative directories, which depend on the caller.
///
/// Returns the bare name if no directory has the program, so that the error of the call names it.
pub fn on_path(name: &str, path: Option<&OsStr>) -> PathBuf {
    path.into_iter()
        .flat_map(env::split_paths)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|program| program.is_file() && access(program, Access::EXEC_OK).is_ok())
        .unwrap_or_else(|| name.into())
}

struct StderrSuffix<'a>(&'a str);

impl fmt::Display for StderrSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.replace('\n', "; ")) }
    }
}

/// A call of a program.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    command: Command,
    limit: Duration,
}

impl Tool {
    /// Creates a call of `program` with an empty stdin.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref().to_owned();
        let mut command = Command::new(&program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own: child processes of the program keep its stdout open, and the group is
        // killed as a whole.
        command.process_group(0);
        Self { program, command, limit: DEADLINE }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets the time limit.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn line(&self) -> String {
        let arguments = self.command.get_args().map(OsStr::to_string_lossy);
        std::iter::once(self.program.to_string_lossy()).chain(arguments).collect::<Vec<_>>().join(" ")
    }

    /// Runs the program and returns its stdout.
    ///
    /// # Errors
    /// Fails if the program cannot be started, fails, or exceeds the time limit.
    pub fn run(mut self) -> Result<String, ToolError> {
        let command = self.line();
        let run_error = |source| ToolError::Run { command: command.clone(), source };
        let mut child = self.command.spawn().map_err(run_error)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // The channel closes when the child has ended or the guard has killed it.
        let (running, end_signal) = mpsc::channel::<()>();
        let pid = Pid::from_child(&child);
        let limit = self.limit;
        let guard = thread::spawn(move || {
            let timed_out = end_signal.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if timed_out {
                // The child is reaped after this thread is joined, so the PID is still its own.
                let _ = kill_process_group(pid, Signal::KILL);
            }
            timed_out
        });
        let reader = thread::spawn(move || read_all(stderr));
        let stdout = read_all(stdout);
        let stderr = reader.join().unwrap_or_default();
        drop(running);
        let timed_out = guard.join().unwrap_or(false);
        let status = child.wait().map_err(run_error)?;
        match (timed_out, status.success()) {
            (true, _) => Err(ToolError::TimedOut { command, limit }),
            (false, true) => Ok(stdout),
            (false, false) => Err(ToolError::Failed { command, status, stderr: stderr.trim().to_owned() }),
        }
    }
}

fn read_all(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // After an error, the bytes so far are all that is known.
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::*;

    fn sh(script: &str) -> Tool {
        Tool::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn stdout_is_returned() {
        assert_eq!(sh("echo a; echo b >&2").run().unwrap(), "a\n");
    }

    #[test]
    fn a_failure_is_one_line_with_command_status_and_stderr() {
        let error = sh("echo one >&2; echo two >&2; exit 7").run().unwrap_err().to_string();
        assert_eq!(
            error,
            "failed to run /bin/sh -c echo one >&2; echo two >&2; exit 7: exit status: 7: one; two"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Tool::new("/no/such/tool").arg("x").run().unwrap_err();
        assert_eq!(error.to_string(), "failed to run /no/such/tool x");
    }

    #[test]
    fn a_program_is_killed_at_its_time_limit() {
        let error = sh("exec sleep 600").limit(Duration::from_millis(50)).run().unwrap_err();
        assert!(matches!(error, ToolError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn child_processes_are_killed_with_the_program() {
        let began = Instant::now();
        let error = sh("sleep 600 & wait").limit(Duration::from_millis(50)).run().unwrap_err();
        assert!(matches!(error, ToolError::TimedOut { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }

    #[test]
    fn programs_are_found_on_path() {
        let folder = tempfile::tempdir().unwrap();
        let [empty, plain, full] = ["empty", "plain", "full"].map(|name| folder.path().join(name));
        for directory in [&empty, &plain, &full] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(plain.join("systemctl"), "not to be executed").unwrap();
        let program = full.join("systemctl");
        std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
        let path = env::join_paths([Path::new("full"), &empty, &plain, &full]).unwrap();
        assert_eq!(on_path("systemctl", Some(&path)), program);
        assert_eq!(on_path("launchctl", Some(&path)), Path::new("launchctl"));
        assert_eq!(on_path("systemctl", None), Path::new("systemctl"));
    }
}
