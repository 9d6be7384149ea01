//! Gateways as agents of the user's launchd, through `launchctl`.
//!
//! An agent that is loaded is wanted up: loading starts it, and launchd starts it again after a crash. So a stop unloads it, until
//! the next start or the user's next login.

mod plist;
mod print;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hermes_core::{Home, ProfileName};
use hermes_os::whole_file;

use self::print::Printed;
use crate::error::ServiceError;
use crate::manager::readiness::{Deadline, Look, says_ready};
use crate::manager::{Kind, ServiceManager, ServiceStatus, Wait};
use hermes_os::tool::{DEADLINE, Tool, ToolError, on_path};

/// The permission bits of an agent: it holds no secret, and launchd takes none that others may write.
const AGENT_MODE: u32 = 0o644;

/// The longest agent, in bytes, that is compared with the one that takes its place.
const AGENT_MAX: u64 = 1024 * 1024;

/// With what `launchctl print` ends for a service that is not loaded: "Could not find service".
const NOT_FOUND: i32 = 113;

/// With what `launchctl bootout` ends when another call unloaded the service before: ESRCH.
const NO_SUCH_PROCESS: i32 = 3;

/// With what `launchctl bootout` ends when the process has not ended yet: EINPROGRESS.
const IN_PROGRESS: i32 = 36;

/// The user's launchd.
#[derive(Clone, Debug)]
pub struct Launchd {
    home: Home,
    program: PathBuf,
    agent_directory: PathBuf,
    launchctl: PathBuf,
    uid: u32,
}

impl Launchd {
    /// The one of the graphical session of the user `uid`, with its agents in `agent_directory`, spoken to through `launchctl`.
    /// They run `program`, which is hermes, for the profiles of `home`.
    pub fn new(home: Home, program: PathBuf, agent_directory: PathBuf, launchctl: PathBuf, uid: u32) -> Self {
        Self { home, program, agent_directory, launchctl, uid }
    }

    /// The one of the user who runs this: the agents lie in `~/Library/LaunchAgents`, and `launchctl` is found on `PATH`.
    ///
    /// # Errors
    /// `HOME` is not an absolute path.
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

    /// The agent as launchd sees it; nothing when it is not loaded.
    fn print(&self, operation: &'static str, profile: &ProfileName) -> Result<Option<Printed>, ServiceError> {
        let output = match self.launchctl(&["print", &self.target(profile)]).run() {
            Ok(output) => output,
            Err(error) if error.code() == Some(NOT_FOUND) => return Ok(None),
            Err(error) => return Err(failed(operation, profile)(error)),
        };
        let printed = print::parse(&output).ok_or_else(|| ServiceError::Unexpected {
            profile: profile.clone(),
            program: "launchctl print",
            output,
        })?;
        Ok(Some(printed))
    }

    fn is_installed(&self, operation: &'static str, profile: &ProfileName) -> Result<bool, ServiceError> {
        let path = self.agent_path(profile);
        path.try_exists().map_err(|source| ServiceError::File {
            operation,
            profile: profile.clone(),
            path,
            source,
        })
    }

    /// Loads the agent, which starts it.
    fn bootstrap(&self, operation: &'static str, profile: &ProfileName) -> Result<(), ServiceError> {
        if !self.is_installed(operation, profile)? {
            return Err(ServiceError::NotInstalled { manager: Kind::Launchd, profile: profile.clone() });
        }
        self.launchctl(&["bootstrap", &self.domain()])
            .arg(self.agent_path(profile))
            .run()
            .map(drop)
            .map_err(failed(operation, profile))
    }

    /// Unloads the agent, which stops it, and waits until launchd no longer knows it.
    fn bootout(
        &self,
        operation: &'static str,
        profile: &ProfileName,
        deadline: Option<Deadline>,
    ) -> Result<(), ServiceError> {
        let limit = deadline.map_or(DEADLINE, |deadline| deadline.left());
        match self.launchctl(&["bootout", &self.target(profile)]).limit(limit).run() {
            Err(error) if !matches!(error.code(), Some(NO_SUCH_PROCESS | IN_PROGRESS)) => {
                return Err(in_time(operation, profile, "down", deadline)(error));
            }
            _ => {}
        }
        let Some(deadline) = deadline else { return Ok(()) };
        deadline.wait(profile, "down", || {
            Ok(if self.print(operation, profile)?.is_none() { Look::Done } else { Look::NotYet })
        })
    }

    /// Starts the agent, which is loaded. With `-k` a process that runs is ended before.
    fn kickstart(
        &self,
        operation: &'static str,
        profile: &ProfileName,
        options: &[&str],
        deadline: Option<Deadline>,
    ) -> Result<(), ServiceError> {
        let limit = deadline.map_or(DEADLINE, |deadline| deadline.left());
        self.launchctl(&["kickstart"])
            .args(options)
            .arg(self.target(profile))
            .limit(limit)
            .run()
            .map(drop)
            .map_err(in_time(operation, profile, "ready", deadline))
    }

    /// `before` is the agent as it was when it was told to start.
    fn wait_until_ready(
        &self,
        operation: &'static str,
        profile: &ProfileName,
        deadline: Option<Deadline>,
        before: Before,
    ) -> Result<(), ServiceError> {
        let Some(deadline) = deadline else { return Ok(()) };
        deadline.wait(profile, "ready", || {
            let Some(printed) = self.print(operation, profile)? else {
                return Ok(Look::Never("launchd no longer knows it".to_owned()));
            };
            Ok(match (printed.pid, printed.why_down()) {
                (Some(pid), _) if Some(pid) != before.pid && says_ready(&self.home, profile, pid) => {
                    Look::Done
                }
                (None, Some(reason)) if printed.runs > before.runs => Look::Never(reason),
                _ => Look::NotYet,
            })
        })
    }

    /// Whether the agent that lies there says `text`. One that cannot be read does not; what keeps it from being written is told
    /// by the attempt.
    fn says(&self, profile: &ProfileName, text: &str) -> bool {
        let before = whole_file::read(&self.agent_path(profile), AGENT_MAX);
        before.is_ok_and(|before| before.as_deref() == Some(text.as_bytes()))
    }

    fn write(&self, profile: &ProfileName, text: &str) -> Result<(), ServiceError> {
        // launchd makes no directory for a log, and without its log it does not start the agent.
        for directory in [&self.agent_directory, &self.home.gateway_logs_directory(profile)] {
            fs::create_dir_all(directory).map_err(|source| ServiceError::File {
                operation: "install",
                profile: profile.clone(),
                path: directory.clone(),
                source,
            })?;
        }
        whole_file::write(&self.agent_path(profile), text.as_bytes(), AGENT_MODE)
            .map_err(|source| ServiceError::Write { operation: "install", profile: profile.clone(), source })
    }
}

/// What no longer counts while a gateway is awaited.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    /// The process that is on its way out.
    pid: Option<u32>,
    /// How many runs there had been: the end of any of them is an old one.
    runs: u64,
}

fn failed(operation: &'static str, profile: &ProfileName) -> impl FnOnce(ToolError) -> ServiceError {
    move |source| ServiceError::Tool { operation, profile: profile.clone(), source }
}

/// A call that took all the time there was is the gateway that did not get there in time.
fn in_time(
    operation: &'static str,
    profile: &ProfileName,
    awaited: &'static str,
    deadline: Option<Deadline>,
) -> impl FnOnce(ToolError) -> ServiceError {
    move |source| match (source, deadline) {
        (ToolError::TimedOut { .. }, Some(Deadline { limit, .. })) => {
            ServiceError::TimedOut { profile: profile.clone(), awaited, limit }
        }
        (source, _) => failed(operation, profile)(source),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl ServiceManager for Launchd {
    fn kind(&self) -> Kind {
        Kind::Launchd
    }

    /// Ready is what the state file of the running process says; launchd only knows that there is one.
    fn start(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let deadline = wait.deadline();
        let before = match self.print("start", profile)? {
            None => {
                self.bootstrap("start", profile)?;
                Before::default()
            }
            Some(Printed { pid: None, runs, .. }) => {
                self.kickstart("start", profile, &[], deadline)?;
                Before { pid: None, runs }
            }
            Some(_) => Before::default(),
        };
        self.wait_until_ready("start", profile, deadline, before)
    }

    fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let deadline = wait.deadline();
        if self.print("stop", profile)?.is_some() {
            return self.bootout("stop", profile, deadline);
        }
        if self.is_installed("stop", profile)? {
            return Ok(());
        }
        Err(ServiceError::NotInstalled { manager: Kind::Launchd, profile: profile.clone() })
    }

    fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let deadline = wait.deadline();
        let before = match self.print("restart", profile)? {
            None => {
                self.bootstrap("restart", profile)?;
                Before::default()
            }
            Some(Printed { pid, runs, .. }) => {
                self.kickstart("restart", profile, &["-k"], deadline)?;
                Before { pid, runs }
            }
        };
        self.wait_until_ready("restart", profile, deadline, before)
    }

    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        let printed = self.print("ask for", profile)?;
        if printed.is_none() && !self.is_installed("ask for", profile)? {
            return Ok(None);
        }
        let pid = printed.as_ref().and_then(|printed| printed.pid);
        Ok(Some(ServiceStatus {
            up: pid.is_some(),
            ready: pid.is_some_and(|pid| says_ready(&self.home, profile, pid)),
            wanted_up: printed.as_ref().is_some_and(Printed::is_wanted_up),
            pid,
            // launchd does not tell since when, and never gives up.
            since: None,
            restarts: printed.as_ref().map_or(0, Printed::restarts),
            restarted_ago: Vec::new(),
            gave_up: None,
            last_words: None,
            comes_back: false,
        }))
    }

    /// Writes the agent: launchd loads it at the user's next login, which starts it, or `start` does. launchd reads an agent only
    /// when it loads it, so one that is loaded and has changed is loaded again, which restarts its gateway.
    fn install(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let text = plist::text(&self.home, &self.program, profile)?;
        if self.says(profile, &text) || self.print("install", profile)?.is_none() {
            return self.write(profile, &text);
        }
        // In this order an install that was cut short finds the difference again.
        self.bootout("install", profile, Some(Deadline::after(DEADLINE)))?;
        self.write(profile, &text)?;
        self.bootstrap("install", profile)
    }

    /// The logs stay.
    fn uninstall(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        if self.print("uninstall", profile)?.is_some() {
            self.bootout("uninstall", profile, Some(Deadline::after(DEADLINE)))?;
        }
        let path = self.agent_path(profile);
        remove_file(&path).map_err(|source| ServiceError::File {
            operation: "uninstall",
            profile: profile.clone(),
            path,
            source,
        })
    }
}

#[cfg(test)]
mod tests;
