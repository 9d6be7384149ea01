//! The sandbox of one agent's calls: its directories, its environment, its network.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hermes_core::{Home, ProfileName};
use rustix::fs::{Access, access};

use super::Reach;
use super::output::Outputs;
use super::reach;
use crate::egress::{Decision, Egress, Proxy, Record};
use crate::sandbox::{
    Enforcement, Launcher, Level, Limits, Network, Policy, Request, Running, SYSTEM_PATHS, Streams, Task,
};
use crate::settings::{NetworkMode, Terminal};

/// The path of programs.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables of the agent that each command gets, if they are set.
const PASSED: [&str; 4] = ["LANG", "LC_ALL", "TZ", "TERM"];

/// The sandbox of an agent's calls.
#[derive(Debug)]
pub(crate) struct Confinement {
    launcher: Launcher,
    settings: Terminal,
    workspace: PathBuf,
    skills: PathBuf,
    outputs: Outputs,
    temporary: Temporary,
    /// The directory of all agents. No call reaches it, but for its own parts.
    volume: PathBuf,
    environment: BTreeMap<String, String>,
    /// The same without the variables of `env_passthrough`.
    plain_environment: BTreeMap<String, String>,
    egress: Arc<Egress>,
}

/// A call that runs.
pub(crate) struct Call {
    pub(crate) running: Running,
    /// The network of the call ends with it.
    _proxy: Option<Proxy>,
    refusals: Arc<Mutex<Vec<String>>>,
}

impl Call {
    /// Returns the sentences about connections that the proxy refused, each once.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        refusals.dedup();
        refusals
    }
}

/// The reason why a call could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// A directory of the sandbox cannot be made.
    #[error("failed to make the directory {} of the sandbox: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The proxy cannot listen.
    #[error("failed to start the proxy of the sandbox: {0}")]
    Proxy(#[source] io::Error),
    /// The supervisor did not start.
    #[error(transparent)]
    Launch(#[from] crate::sandbox::LaunchError),
}

impl Confinement {
    /// Prepares the sandbox of `profile`. `environment` is the one of the agent: a command gets the variables of `env_passthrough`.
    pub(crate) fn new(
        home: &Home,
        profile: &ProfileName,
        settings: Terminal,
        environment: &BTreeMap<String, String>,
        egress: Arc<Egress>,
        launcher: Launcher,
    ) -> Self {
        let directory = home.profile_directory(profile);
        let outputs = Outputs::new(directory.join("tool-output"));
        let temporary = Temporary::choose(profile, &outputs);
        let workspace = directory.join("workspace");
        let found = |name: &str| Some((name.to_owned(), environment.get(name)?.clone()));
        let mut plain: BTreeMap<String, String> = PASSED.into_iter().filter_map(found).collect();
        for (name, value) in [
            ("PATH", PROGRAMS.to_owned()),
            ("HOME", workspace.join(".home").display().to_string()),
            ("TMPDIR", temporary.path.display().to_string()),
            ("USER", "hermes".to_owned()),
            ("SHELL", "/bin/bash".to_owned()),
        ] {
            plain.entry(name.to_owned()).or_insert(value);
        }
        plain.entry("LANG".to_owned()).or_insert_with(|| "C.UTF-8".to_owned());
        plain.entry("TERM".to_owned()).or_insert_with(|| "dumb".to_owned());
        let mut own = plain.clone();
        own.extend(settings.env_passthrough.iter().filter_map(|name| found(name)));
        Self {
            launcher,
            settings,
            workspace,
            skills: directory.join("skills"),
            outputs,
            temporary,
            volume: home.root().to_owned(),
            environment: own,
            plain_environment: plain,
            egress,
        }
    }

    /// Returns the default time limit of a command.
    pub(crate) fn time_limit(&self) -> Duration {
        self.settings.timeout
    }

    /// Returns the network of calls in the sandbox.
    pub(crate) fn network(&self) -> NetworkMode {
        self.settings.network
    }

    /// Returns the files of long outputs.
    pub(crate) fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Returns `true` if a path of a call lies in the directory of all agents.
    pub(crate) fn is_in_volume(&self, path: &str) -> bool {
        reach::without_dots(&self.workspace.join(path)).starts_with(&self.volume)
    }

    /// Starts a call. `working_directory` is relative to the workspace.
    ///
    /// # Errors
    /// See [`StartError`].
    pub(crate) async fn start(
        &self,
        task: Task,
        reach: Reach,
        working_directory: Option<&str>,
        time_limit: Option<Duration>,
    ) -> Result<Call, StartError> {
        self.start_with(task, reach, working_directory, time_limit, self.environment.clone()).await
    }

    /// Starts a server that runs until its call is dropped. It gets no variable of `env_passthrough`, but its own.
    ///
    /// # Errors
    /// See [`StartError`].
    pub(crate) async fn start_server(
        &self,
        arguments: Vec<String>,
        variables: BTreeMap<String, String>,
    ) -> Result<Call, StartError> {
        let mut environment = self.plain_environment.clone();
        environment.extend(variables);
        let task = Task::Command { arguments, streams: Streams::Apart };
        self.start_with(task, Reach::Sandbox, None, None, environment).await
    }

    async fn start_with(
        &self,
        task: Task,
        reach: Reach,
        working_directory: Option<&str>,
        time_limit: Option<Duration>,
        mut environment: BTreeMap<String, String>,
    ) -> Result<Call, StartError> {
        for directory in [&self.workspace, &self.temporary.path] {
            make_directory(directory)?;
            open_to_its_owner(directory)?;
        }
        // A tool may have put something else in its place. Commands then have a home that they cannot use.
        let _ = make_directory(&self.workspace.join(".home"));
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let mut proxy = None;
        let network = match (reach, self.settings.network) {
            // A file tool connects to nothing.
            _ if matches!(task, Task::Tool { .. }) => Network::Off,
            (Reach::Machine, _) | (Reach::Sandbox, NetworkMode::Open) => Network::Open,
            (Reach::Sandbox, NetworkMode::Off) => Network::Off,
            (Reach::Sandbox, NetworkMode::Proxy) => {
                let noted = Arc::clone(&refusals);
                let note = move |record: &Record| {
                    if let Decision::Refused(sentence) = &record.decision {
                        noted.lock().unwrap_or_else(PoisonError::into_inner).push(sentence.clone());
                    }
                };
                let started = Proxy::start(Arc::clone(&self.egress), Arc::new(note)).await;
                let started = started.map_err(StartError::Proxy)?;
                environment.extend(started.environment());
                Network::Proxy { port: proxy.insert(started).port() }
            }
        };
        let working_directory = self.workspace.join(working_directory.unwrap_or_default());
        let policy = self.policy(reach, network);
        let request = Request { policy, task, working_directory, environment, time_limit };
        Ok(Call { running: self.launcher.start(&request)?, _proxy: proxy, refusals })
    }

    fn policy(&self, reach: Reach, network: Network) -> Policy {
        let own = [self.workspace.clone(), self.temporary.path.clone()];
        let mut readable: Vec<PathBuf> = SYSTEM_PATHS.iter().map(PathBuf::from).collect();
        readable.extend([self.skills.clone(), self.outputs.directory().to_owned()]);
        readable.extend(self.settings.readable.iter().cloned());
        let mut writable: Vec<PathBuf> =
            own.into_iter().chain(self.settings.writable.iter().cloned()).collect();
        if reach == Reach::Machine {
            writable.extend(reach::machine(&self.volume));
        }
        // The engine asked a person if the kernel has no Landlock.
        let enforcement = match Level::probe().landlock_abi {
            Some(_) => Enforcement::Required,
            None => Enforcement::WithoutLandlock,
        };
        Policy { readable, writable, network, limits: Limits::default(), enforcement }
    }
}

fn make_directory(path: &Path) -> Result<(), StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::Directory { path: path.to_owned(), source })
}

/// Gives the owner's permissions back to a directory: a tool may have taken them away, and then no call could start. No tool can
/// replace the directory.
fn open_to_its_owner(path: &Path) -> Result<(), StartError> {
    let fault = |source| StartError::Directory { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(fault)?.permissions().mode();
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 | 0o700)).map_err(fault)
}

/// A private temporary directory. The first call makes it, and it goes with its agent.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// Chooses a place in memory or on the container's disk. With a read-only root file system, it is on the volume. So it is if another
    /// user took the place.
    fn choose(profile: &ProfileName, outputs: &Outputs) -> Self {
        let shared = reach::temporaries();
        let can_write = access(std::env::temp_dir(), Access::WRITE_OK).is_ok();
        let own = rustix::process::geteuid().as_raw();
        let is_ours = shared.symlink_metadata().map_or(true, |found| found.is_dir() && found.uid() == own);
        let parent = match can_write && is_ours {
            true => shared.join(profile.as_str()),
            false => outputs.directory().join(".tmp"),
        };
        Self { path: parent.join(format!("{:016x}", getrandom::u64().unwrap_or_default())) }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It goes with the container at the latest.
        let _ = fs::remove_dir_all(&self.path);
    }
}
