//! Runs a program under a deadline. Its failure holds the command, the exit status and the output.

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

/// How long a call takes at most when its own arguments set no limit.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A program that did not do what it was called for. One line: the command, its end, and what it said.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("run {command}")]
    Run {
        /// The whole command line.
        command: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It ended with another code than 0.
    #[error("{command}: {status}{}", Said(stderr))]
    Failed {
        /// The whole command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said, without the blanks around it.
        stderr: String,
    },
    /// It took too long and was killed.
    #[error("{command}: killed, since it did not end within {}", humantime::format_duration(*limit))]
    TimedOut {
        /// The whole command line.
        command: String,
        /// How long it had.
        limit: Duration,
    },
}

impl ToolError {
    /// The code with which the program ended, where it ended by itself.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Failed { status, .. } => status.code(),
            Self::Run { .. } | Self::TimedOut { .. } => None,
        }
    }
}

/// The program `name` in the first directory of `path` (the value of `PATH`) that has one; the bare name where none has, so that
/// the call that fails names it. A relative directory means another one for each caller and is passed over.
pub fn on_path(name: &str, path: Option<&OsStr>) -> PathBuf {
    path.into_iter()
        .flat_map(env::split_paths)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|program| program.is_file() && access(program, Access::EXEC_OK).is_ok())
        .unwrap_or_else(|| name.into())
}

struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.replace('\n', "; ")) }
    }
}

/// One call.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    command: Command,
    limit: Duration,
}

impl Tool {
    /// A call of `program`, which is given no input.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref().to_owned();
        let mut command = Command::new(&program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what it started holds its stdout open, and is killed with it.
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

    /// After which time it is killed.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn line(&self) -> String {
        let arguments = self.command.get_args().map(OsStr::to_string_lossy);
        std::iter::once(self.program.to_string_lossy()).chain(arguments).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end and returns what it printed on stdout.
    ///
    /// # Errors
    /// It cannot be started, fails, or does not end in time.
    pub fn run(mut self) -> Result<String, ToolError> {
        let command = self.line();
        let run_error = |source| ToolError::Run { command: command.clone(), source };
        let mut child = self.command.spawn().map_err(run_error)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // Both ends of the channel are gone when the child has ended, or was killed by the guard.
        let (ended, has_ended) = mpsc::channel::<()>();
        let pid = Pid::from_child(&child);
        let limit = self.limit;
        let guard = thread::spawn(move || {
            let late = has_ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                // Not reaped before this thread is joined, so the PID is still the child's.
                let _ = kill_process_group(pid, Signal::KILL);
            }
            late
        });
        let reader = thread::spawn(move || read_all(stderr));
        let stdout = read_all(stdout);
        let stderr = reader.join().unwrap_or_default();
        drop(ended);
        let late = guard.join().unwrap_or(false);
        let status = child.wait().map_err(run_error)?;
        match (late, status.success()) {
            (true, _) => Err(ToolError::TimedOut { command, limit }),
            (false, true) => Ok(stdout),
            (false, false) => Err(ToolError::Failed { command, status, stderr: stderr.trim().to_owned() }),
        }
    }
}

fn read_all(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What was read until an error is all there is to say.
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
    fn what_it_prints_is_returned() {
        assert_eq!(sh("echo a; echo b >&2").run().unwrap(), "a\n");
    }

    #[test]
    fn a_failure_is_one_line_with_the_command_its_end_and_what_it_said() {
        let error = sh("echo one >&2; echo two >&2; exit 7").run().unwrap_err().to_string();
        assert_eq!(error, "/bin/sh -c echo one >&2; echo two >&2; exit 7: exit status: 7: one; two");
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        let error = Tool::new("/no/such/tool").arg("x").run().unwrap_err();
        assert_eq!(error.to_string(), "run /no/such/tool x");
    }

    #[test]
    fn one_that_does_not_end_is_killed() {
        let error = sh("exec sleep 600").limit(Duration::from_millis(50)).run().unwrap_err();
        assert!(matches!(error, ToolError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn one_that_left_its_work_to_another_process_is_killed_with_it() {
        let began = Instant::now();
        let error = sh("sleep 600 & wait").limit(Duration::from_millis(50)).run().unwrap_err();
        assert!(matches!(error, ToolError::TimedOut { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }

    #[test]
    fn it_is_found_on_path() {
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
