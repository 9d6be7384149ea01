//! Gateways as agents of the user's launchd, through `launchctl`.
//!
//! launchd starts an agent when it loads it, and restarts it after a crash. So a stop unloads the agent,
//! until the next start or the user's next login.

mod plist;
mod print;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use hermes_core::{Home, ProfileName};
use hermes_os::presence::if_present;
use hermes_os::tool::{DEADLINE, Tool, ToolError, on_path};
use hermes_os::whole_file;

use self::print::AgentState;
use crate::error::{ServiceError, Task};
use crate::kind::Kind;
use crate::manager::readiness::{Check, Deadline, reports_ready};
use crate::manager::{ServiceManager, ServiceStatus, Wait};

/// The permission bits of an agent. It holds no secret. launchd refuses a file that others can write.
const AGENT_MODE: u32 = 0o644;

/// The longest agent file, in bytes, that is compared with the new one.
const AGENT_MAX: u64 = 1024 * 1024;

/// The exit code of `launchctl print` for a service that is not loaded: "Could not find service".
const NOT_FOUND: i32 = 113;

/// The exit code of `launchctl bootout` if the service was already unloaded: ESRCH.
const NO_SUCH_PROCESS: i32 = 3;

/// The exit code of `launchctl bootout` while the process has not ended: EINPROGRESS.
const IN_PROGRESS: i32 = 36;

/// The launchd of a user.
#[derive(Clone, Debug)]
pub struct Launchd {
    home: Home,
    program: PathBuf,
    agent_directory: PathBuf,
    launchctl: PathBuf,
    uid: u32,
}

impl Launchd {
    /// Creates the backend for the graphical session of the user `uid`. The agents lie in `agent_directory`,
    /// and run `program`, a hermes, for the profiles of `home`. `launchctl` is the program to call.
    pub fn new(home: Home, program: PathBuf, agent_directory: PathBuf, launchctl: PathBuf, uid: u32) -> Self {
        Self { home, program, agent_directory, launchctl, uid }
    }

    /// Creates the backend for the current user, with agents in `~/Library/LaunchAgents` and `launchctl` from
    /// `PATH`.
    ///
    /// # Errors
    /// Fails if `HOME` is not an absolute path.
    pub fn of_this_user(home: Home, program: PathBuf) -> Result<Self, ServiceError> {
        let uid = rustix::process::getuid().as_raw();
        Self::of_environment(home, program, uid, |name| env::var_os(name))
    }

    fn of_environment(
        home: Home,
        program: PathBuf,
        uid: u32,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ServiceError> {
        let user = variable("HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .ok_or(ServiceError::NoUserDirectory { manager: Kind::Launchd })?;
        let launchctl = on_path("launchctl", variable("PATH").as_deref());
        Ok(Self::new(home, program, user.join("Library/LaunchAgents"), launchctl, uid))
    }

    fn agent_path(&self, profile: &ProfileName) -> PathBuf {
        self.agent_directory.join(format!("{}.plist", plist::label(profile)))
    }

    fn domain(&self) -> String {
        format!("gui/{}", self.uid)
    }

    fn target(&self, profile: &ProfileName) -> String {
        format!("{}/{}", self.domain(), plist::label(profile))
    }

    fn launchctl(&self, words: &[&str]) -> Tool {
        Tool::new(&self.launchctl).args(words)
    }

    /// Returns the agent's state in launchd; `None` if it is not loaded.
    fn print(&self, task: Task<'_>) -> Result<Option<AgentState>, ServiceError> {
        let output = match self.launchctl(&["print", &self.target(task.profile)]).run() {
            Ok(output) => output,
            Err(error) if error.code() == Some(NOT_FOUND) => return Ok(None),
            Err(error) => return Err(task.tool_failed(error)),
        };
        let state = print::parse(&output).ok_or_else(|| ServiceError::Unexpected {
            profile: task.profile.clone(),
            program: "launchctl print",
            output,
        })?;
        Ok(Some(state))
    }

    fn is_installed(&self, task: Task<'_>) -> Result<bool, ServiceError> {
        let path = self.agent_path(task.profile);
        path.try_exists().map_err(task.file_failed(&path))
    }

    /// Loads the agent, which starts it.
    fn bootstrap(&self, task: Task<'_>) -> Result<(), ServiceError> {
        if !self.is_installed(task)? {
            return Err(ServiceError::NotInstalled { manager: Kind::Launchd, profile: task.profile.clone() });
        }
        self.launchctl(&["bootstrap", &self.domain()])
            .arg(self.agent_path(task.profile))
            .run()
            .map(drop)
            .map_err(|error| task.tool_failed(error))
    }

    /// Unloads the agent, which stops it. Waits until launchd does not know it any more.
    fn bootout(&self, task: Task<'_>, deadline: Option<Deadline>) -> Result<(), ServiceError> {
        let limit = deadline.map_or(DEADLINE, |deadline| deadline.left());
        match self.launchctl(&["bootout", &self.target(task.profile)]).limit(limit).run() {
            Err(error) if !matches!(error.code(), Some(NO_SUCH_PROCESS | IN_PROGRESS)) => {
                return Err(timed_out_or_failed(task, "down", deadline)(error));
            }
            _ => {}
        }
        let Some(deadline) = deadline else { return Ok(()) };
        deadline.wait(task.profile, "down", || {
            Ok(if self.print(task)?.is_none() { Check::Done } else { Check::NotYet })
        })
    }

    /// Starts a loaded agent. With `-k`, ends a running process first.
    fn kickstart(
        &self,
        task: Task<'_>,
        options: &[&str],
        deadline: Option<Deadline>,
    ) -> Result<(), ServiceError> {
        let limit = deadline.map_or(DEADLINE, |deadline| deadline.left());
        self.launchctl(&["kickstart"])
            .args(options)
            .arg(self.target(task.profile))
            .limit(limit)
            .run()
            .map(drop)
            .map_err(timed_out_or_failed(task, "ready", deadline))
    }

    /// Waits until the gateway is ready. `before` is the agent's state at the start.
    fn wait_until_ready(
        &self,
        task: Task<'_>,
        deadline: Option<Deadline>,
        before: Before,
    ) -> Result<(), ServiceError> {
        let Some(deadline) = deadline else { return Ok(()) };
        deadline.wait(task.profile, "ready", || {
            let Some(state) = self.print(task)? else {
                return Ok(Check::Never("launchd no longer knows it".to_owned()));
            };
            Ok(match (state.pid, state.why_down()) {
                (Some(pid), _) if Some(pid) != before.pid && reports_ready(&self.home, task.profile, pid) => {
                    Check::Done
                }
                (None, Some(reason)) if state.runs > before.runs => Check::Never(reason),
                _ => Check::NotYet,
            })
        })
    }

    /// Returns `true` if the agent file has this content. An unreadable file gives `false`, and the write
    /// that follows reports the error.
    fn has_content(&self, profile: &ProfileName, text: &str) -> bool {
        let before = whole_file::read(&self.agent_path(profile), AGENT_MAX);
        before.is_ok_and(|before| before.as_deref() == Some(text.as_bytes()))
    }

    fn write(&self, task: Task<'_>, text: &str) -> Result<(), ServiceError> {
        // launchd creates no directory for a log, and starts no agent without its log.
        for directory in [&self.agent_directory, &self.home.gateway_logs_directory(task.profile)] {
            fs::create_dir_all(directory).map_err(task.file_failed(directory))?;
        }
        whole_file::write(&self.agent_path(task.profile), text.as_bytes(), AGENT_MODE)
            .map_err(|error| task.write_failed(error))
    }
}

/// The state before a start, which must not count as its result.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    /// The process that is ending.
    pid: Option<u32>,
    /// The number of runs so far. Their ends are not the end of this start.
    runs: u64,
}

/// Converts a call that used all its time into the time-out of the gateway.
fn timed_out_or_failed(
    task: Task<'_>,
    awaited: &'static str,
    deadline: Option<Deadline>,
) -> impl FnOnce(ToolError) -> ServiceError {
    move |source| match (source, deadline) {
        (ToolError::TimedOut { .. }, Some(Deadline { limit, .. })) => {
            ServiceError::TimedOut { profile: task.profile.clone(), awaited, limit }
        }
        (source, _) => task.tool_failed(source),
    }
}

impl ServiceManager for Launchd {
    fn kind(&self) -> Kind {
        Kind::Launchd
    }

    /// Waits for the state file of the process to report readiness. launchd knows only that a process runs.
    fn start(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let (task, deadline) = (Task::new("start", profile), wait.deadline());
        let before = match self.print(task)? {
            None => {
                self.bootstrap(task)?;
                Before::default()
            }
            Some(AgentState { pid: None, runs, .. }) => {
                self.kickstart(task, &[], deadline)?;
                Before { pid: None, runs }
            }
            Some(_) => Before::default(),
        };
        self.wait_until_ready(task, deadline, before)
    }

    fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let (task, deadline) = (Task::new("stop", profile), wait.deadline());
        if self.print(task)?.is_some() {
            return self.bootout(task, deadline);
        }
        if self.is_installed(task)? {
            return Ok(());
        }
        Err(ServiceError::NotInstalled { manager: Kind::Launchd, profile: profile.clone() })
    }

    fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let (task, deadline) = (Task::new("restart", profile), wait.deadline());
        let before = match self.print(task)? {
            None => {
                self.bootstrap(task)?;
                Before::default()
            }
            Some(AgentState { pid, runs, .. }) => {
                self.kickstart(task, &["-k"], deadline)?;
                Before { pid, runs }
            }
        };
        self.wait_until_ready(task, deadline, before)
    }

    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        let task = Task::new("ask for", profile);
        let state = self.print(task)?;
        if state.is_none() && !self.is_installed(task)? {
            return Ok(None);
        }
        let pid = state.as_ref().and_then(|state| state.pid);
        Ok(Some(ServiceStatus {
            up: pid.is_some(),
            ready: pid.is_some_and(|pid| reports_ready(&self.home, profile, pid)),
            desired_up: state.as_ref().is_some_and(AgentState::is_wanted_up),
            pid,
            restarts: state.as_ref().map_or(0, AgentState::restarts),
            // launchd does not report a time, and never gives up.
            ..ServiceStatus::default()
        }))
    }

    /// Writes the agent. launchd loads and starts it at the user's next login, unless `start` does. launchd
    /// reads an agent only when it loads it. So a loaded agent with a change is reloaded, which restarts its
    /// gateway.
    fn install(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let text = plist::text(&self.home, &self.program, profile)?;
        let task = Task::new("install", profile);
        if self.has_content(profile, &text) || self.print(task)?.is_none() {
            return self.write(task, &text);
        }
        // In this order, a repeated install after an interruption finds the difference again.
        self.bootout(task, Some(Deadline::after(DEADLINE)))?;
        self.write(task, &text)?;
        self.bootstrap(task)
    }

    /// Removes the agent and keeps the logs.
    fn uninstall(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let task = Task::new("uninstall", profile);
        if self.print(task)?.is_some() {
            self.bootout(task, Some(Deadline::after(DEADLINE)))?;
        }
        let path = self.agent_path(profile);
        if_present(fs::remove_file(&path)).map(drop).map_err(task.file_failed(&path))
    }
}

#[cfg(test)]
mod tests;
