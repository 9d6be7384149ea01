//! A call in the sandbox, as the engine requests it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use hermes_agent::sandbox::{
    Ended, Enforcement, Limits, Network, Policy, Request, SYSTEM_PATHS, Streams, Task,
};
use hermes_os::waiting::until;

/// The account of tools. A test of root becomes it.
const ACCOUNT: u32 = 10_000;

/// The time for a condition.
const DEADLINE: Duration = Duration::from_secs(30);

/// The volume of one test: a profile with a workspace, and another profile.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// One call, before it starts.
pub(crate) struct Call {
    pub(crate) request: Request,
    input: Vec<u8>,
}

/// A call that runs.
pub(crate) struct Started {
    pub(crate) supervisor: Child,
    pub(crate) control: Option<ChildStdin>,
}

/// A call that ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) output: String,
    pub(crate) ended: Ended,
    /// The end of a standard error that is apart.
    pub(crate) errors: Option<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for directory in ["", "coder", "coder/workspace", "coder/skills", "other", "tmp"] {
            let _ = fs::create_dir(place.path(directory));
            place.give(directory, 0o755);
        }
        for file in ["coder/.env", "coder/hermes.db", "other/.env", "coder/skills/SKILL.md"] {
            place.write(file, "a secret of the agent\n");
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the account.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        self.give(name, 0o600);
    }

    fn give(&self, name: &str, mode: u32) {
        let path = self.path(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            chown(&path, Some(ACCOUNT), Some(ACCOUNT)).unwrap();
        }
    }

    /// A call of a shell in the workspace.
    pub(crate) fn shell(&self, script: &str) -> Call {
        self.command(&["/bin/sh", "-c", script])
    }

    /// A call of perl in the workspace. The script has `$place`, the path of this place.
    pub(crate) fn perl(&self, script: &str) -> Call {
        let place = self.folder.path().display();
        let start = "use strict; use Socket; use Fcntl; $| = 1;";
        self.command(&["/usr/bin/perl", "-e", &format!("{start} my $place = '{place}'; {script}")])
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Call {
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        self.task(Task::Command { arguments, streams: Streams::Output })
    }

    pub(crate) fn task(&self, task: Task) -> Call {
        let mut readable: Vec<PathBuf> = SYSTEM_PATHS.iter().map(PathBuf::from).collect();
        readable.push(self.path("coder/skills"));
        let policy = Policy {
            readable,
            writable: vec![self.path("coder/workspace"), self.path("tmp")],
            network: Network::Off,
            limits: Limits::default(),
            enforcement: Enforcement::Required,
        };
        let environment = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8")];
        let request = Request {
            policy,
            task,
            working_directory: self.path("coder/workspace"),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            time_limit: Some(DEADLINE),
        };
        Call { request, input: Vec::new() }
    }
}

impl Call {
    pub(crate) fn network(mut self, network: Network) -> Self {
        self.request.policy.network = network;
        self
    }

    pub(crate) fn time_limit(mut self, limit: Duration) -> Self {
        self.request.time_limit = Some(limit);
        self
    }

    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.request.policy.limits = limits;
        self
    }

    pub(crate) fn environment(mut self, variables: BTreeMap<String, String>) -> Self {
        self.request.environment = variables;
        self
    }

    pub(crate) fn streams(mut self, wanted: Streams) -> Self {
        if let Task::Command { streams, .. } = &mut self.request.task {
            *streams = wanted;
        }
        self
    }

    /// Adds input, as the engine frames it. No bytes close it.
    pub(crate) fn input(mut self, bytes: &[u8]) -> Self {
        self.input.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        self.input.extend(bytes);
        self
    }

    /// Starts the call, as the account.
    pub(crate) fn start(&self) -> Started {
        let mut command = as_account();
        command.args(["container", "tool-run"]);
        self.start_with(command)
    }

    pub(crate) fn start_with(&self, mut command: Command) -> Started {
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut supervisor = command.spawn().unwrap();
        let mut control = supervisor.stdin.take().unwrap();
        let line = serde_json::to_string(&self.request).unwrap();
        // A supervisor that refuses may have ended.
        let _ =
            control.write_all(format!("{line}\n").as_bytes()).and_then(|()| control.write_all(&self.input));
        Started { supervisor, control: Some(control) }
    }

    /// Runs the call to its end.
    #[track_caller]
    pub(crate) fn run(&self) -> Done {
        self.start().finish()
    }

    /// Runs a call that must exit with 0, and returns its output.
    #[track_caller]
    pub(crate) fn output(&self) -> String {
        let done = self.run();
        assert_eq!(done.ended, Ended::Exited { code: 0 }, "{}", done.output);
        done.output
    }
}

impl Started {
    /// Reads the output to its end, and the report.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Done {
        let mut output = Vec::new();
        self.supervisor.stdout.take().unwrap().read_to_end(&mut output).unwrap();
        let output = String::from_utf8_lossy(&output).into_owned();
        let mut report = String::new();
        self.supervisor.stderr.take().unwrap().read_to_string(&mut report).unwrap();
        assert!(self.supervisor.wait().unwrap().success(), "{report}");
        let mut lines = report.lines();
        let ended = serde_json::from_str(lines.next().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {report}: {output}"));
        let errors = lines.next().map(|line| serde_json::from_str(line).unwrap());
        Done { output, ended, errors }
    }

    /// Reads one line of output.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let stdout = self.supervisor.stdout.as_mut().unwrap();
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// `hermes` as the account.
pub(crate) fn as_account() -> Command {
    unconfined(env!("CARGO_BIN_EXE_hermes"))
}

/// A program as the account, outside of the sandbox.
pub(crate) fn unconfined(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/setpriv");
    let account = ACCOUNT.to_string();
    command.args(["--reuid", &account, "--regid", &account, "--clear-groups", program]);
    command
}

/// Returns the processes whose command line contains `marker`.
pub(crate) fn running(marker: &str) -> Vec<u32> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_marker = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    };
    pids.filter(|pid| *pid != own && has_marker(pid)).collect()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    assert!(until(DEADLINE, Duration::from_millis(20), condition), "{what} did not happen");
}
