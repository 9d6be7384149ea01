//! Gateways as units of the user's systemd, through `systemctl --user`.
//!
//! A user's units end with the last session of the user, unless the operator ran `loginctl enable-linger`.
//! The output of a gateway goes to the journal: `journalctl --user -u hermes-gateway-<profile>`.

mod show;
mod unit;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use hermes_core::{Home, ProfileName};
use hermes_os::presence::if_present;
use hermes_os::tool::{Tool, ToolError, on_path};
use hermes_os::whole_file;
use rustix::time::{ClockId, clock_gettime};

use self::show::UnitState;
use crate::error::{ServiceError, Task};
use crate::kind::Kind;
use crate::manager::readiness::{Check, Deadline, reports_ready};
use crate::manager::{ServiceManager, ServiceStatus, Wait};

/// The permission bits of a unit. It holds no secret.
const UNIT_MODE: u32 = 0o644;

/// The systemd of a user.
#[derive(Clone, Debug)]
pub struct Systemd {
    home: Home,
    program: PathBuf,
    unit_directory: PathBuf,
    systemctl: PathBuf,
}

impl Systemd {
    /// Creates the backend for the systemd of `systemctl`. The units lie in `unit_directory`, and run
    /// `program`, a hermes, for the profiles of `home`.
    pub fn new(home: Home, program: PathBuf, unit_directory: PathBuf, systemctl: PathBuf) -> Self {
        Self { home, program, unit_directory, systemctl }
    }

    /// Creates the backend for the current user, with units under `XDG_CONFIG_HOME` or `~/.config`, and
    /// `systemctl` from `PATH`.
    ///
    /// # Errors
    /// Fails if neither `XDG_CONFIG_HOME` nor `HOME` is an absolute path.
    pub fn of_this_user(home: Home, program: PathBuf) -> Result<Self, ServiceError> {
        Self::of_environment(home, program, |name| env::var_os(name))
    }

    fn of_environment(
        home: Home,
        program: PathBuf,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ServiceError> {
        // The XDG Base Directory Specification requires that relative paths are ignored.
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let configuration = absolute("XDG_CONFIG_HOME")
            .or_else(|| Some(absolute("HOME")?.join(".config")))
            .ok_or(ServiceError::NoUserDirectory { manager: Kind::Systemd })?;
        let systemctl = on_path("systemctl", variable("PATH").as_deref());
        Ok(Self::new(home, program, configuration.join("systemd/user"), systemctl))
    }

    fn unit_path(&self, profile: &ProfileName) -> PathBuf {
        self.unit_directory.join(unit::name(profile))
    }

    fn systemctl(&self, words: &[&str]) -> Tool {
        Tool::new(&self.systemctl).arg("--user").args(words)
    }

    fn run(&self, task: Task<'_>, words: &[&str]) -> Result<(), ServiceError> {
        self.systemctl(words).run().map(drop).map_err(|error| task.tool_failed(error))
    }

    fn show(&self, task: Task<'_>) -> Result<UnitState, ServiceError> {
        let output = self
            .systemctl(&["show", &unit::name(task.profile), "-p", show::PROPERTIES])
            .run()
            .map_err(|error| task.tool_failed(error))?;
        show::parse(&output).ok_or_else(|| ServiceError::Unexpected {
            profile: task.profile.clone(),
            program: "systemctl show",
            output,
        })
    }

    /// Returns the state of the unit, which must be installed.
    fn show_installed(&self, task: Task<'_>) -> Result<UnitState, ServiceError> {
        let state = self.show(task)?;
        if state.is_unknown() {
            return Err(ServiceError::NotInstalled { manager: Kind::Systemd, profile: task.profile.clone() });
        }
        Ok(state)
    }

    /// Runs a systemd job for the unit. `verb` is `start`, `stop` or `restart`.
    fn job(
        &self,
        task: Task<'_>,
        verb: &str,
        deadline: Option<Deadline>,
        awaited: &'static str,
    ) -> Result<(), ServiceError> {
        let name = unit::name(task.profile);
        let called = match deadline {
            // systemctl waits for the end of the job: until the program was executed, or has ended.
            Some(deadline) => self.systemctl(&[verb, &name]).limit(deadline.left()).run(),
            None => self.systemctl(&["--no-block", verb, &name]).run(),
        };
        match (called, deadline) {
            (Err(ToolError::TimedOut { .. }), Some(Deadline { limit, .. })) => {
                Err(ServiceError::TimedOut { profile: task.profile.clone(), awaited, limit })
            }
            (called, _) => called.map(drop).map_err(|error| task.tool_failed(error)),
        }
    }

    /// Resets the failures of a unit. systemd does not start a unit at its start limit otherwise.
    fn reset_failures(&self, task: Task<'_>, state: &UnitState) -> Result<(), ServiceError> {
        if !state.has_failed() && !state.waits_for_restart() {
            return Ok(());
        }
        self.run(task, &["reset-failed", &unit::name(task.profile)])
    }

    fn wait_until_ready(&self, task: Task<'_>, deadline: Option<Deadline>) -> Result<(), ServiceError> {
        let Some(deadline) = deadline else { return Ok(()) };
        deadline.wait(task.profile, "ready", || {
            let state = self.show(task)?;
            Ok(match (state.pid, state.why_down()) {
                (Some(pid), _) if reports_ready(&self.home, task.profile, pid) => Check::Done,
                (None, Some(reason)) => Check::Never(reason),
                _ => Check::NotYet,
            })
        })
    }

    fn enable(&self, task: Task<'_>) -> Result<(), ServiceError> {
        self.run(task, &["daemon-reload"])?;
        self.run(task, &["enable", &unit::name(task.profile)])
    }
}

/// Returns the time of the clock in systemd's `…Monotonic` properties.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

impl ServiceManager for Systemd {
    fn kind(&self) -> Kind {
        Kind::Systemd
    }

    /// Waits for the state file of the process to report readiness. systemd knows only that the program was
    /// executed.
    fn start(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let (task, deadline) = (Task::new("start", profile), wait.deadline());
        let state = self.show_installed(task)?;
        self.reset_failures(task, &state)?;
        // A start would wait for the back-off after a crash.
        let verb = if state.waits_for_restart() { "restart" } else { "start" };
        self.job(task, verb, deadline, "ready")?;
        self.wait_until_ready(task, deadline)
    }

    fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let (task, deadline) = (Task::new("stop", profile), wait.deadline());
        self.show_installed(task)?;
        self.job(task, "stop", deadline, "down")
    }

    fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let (task, deadline) = (Task::new("restart", profile), wait.deadline());
        let state = self.show_installed(task)?;
        self.reset_failures(task, &state)?;
        self.job(task, "restart", deadline, "ready")?;
        self.wait_until_ready(task, deadline)
    }

    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        let state = self.show(Task::new("ask for", profile))?;
        let status = || state.status(now(), |pid| reports_ready(&self.home, profile, pid));
        Ok((!state.is_unknown()).then(status))
    }

    /// Writes and enables the unit. It starts with the user's next session. A running gateway keeps its
    /// former settings.
    fn install(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let text = unit::text(&self.home, &self.program, profile)?;
        let (task, path) = (Task::new("install", profile), self.unit_path(profile));
        fs::create_dir_all(&self.unit_directory).map_err(task.file_failed(&self.unit_directory))?;
        let is_new = !path.try_exists().map_err(task.file_failed(&path))?;
        whole_file::write(&path, text.as_bytes(), UNIT_MODE).map_err(|error| task.write_failed(error))?;
        self.enable(task).inspect_err(|_| {
            if is_new {
                // The first error is the one to report. The next install replaces the unit.
                let _ = fs::remove_file(&path);
            }
        })
    }

    fn uninstall(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let task = Task::new("uninstall", profile);
        let (path, name) = (self.unit_path(profile), unit::name(profile));
        let is_written = path.try_exists().map_err(task.file_failed(&path))?;
        let is_known = !self.show(task)?.is_unknown();
        if is_known {
            self.run(task, &["stop", &name])?;
            // A killed unit counts as failed and would stay listed.
            if self.show(task)?.has_failed() {
                self.run(task, &["reset-failed", &name])?;
            }
        }
        if is_written {
            self.run(task, &["disable", &name])?;
            if_present(fs::remove_file(&path)).map_err(task.file_failed(&path))?;
        }
        if is_known || is_written { self.run(task, &["daemon-reload"]) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
