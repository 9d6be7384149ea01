//! Gateways as units of the user's systemd, through `systemctl --user`.
//!
//! A user's units end with the last session of the user, unless the operator ran `loginctl enable-linger`.
//! The output of a gateway goes to the journal: `journalctl --user -u hermes-gateway-<profile>`.

mod show;
mod unit;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hermes_core::{Home, ProfileName};
use hermes_os::tool::{Tool, ToolError, on_path};
use hermes_os::whole_file;
use rustix::time::{ClockId, clock_gettime};

use self::show::UnitState;
use crate::error::ServiceError;
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

    fn show(&self, operation: &'static str, profile: &ProfileName) -> Result<UnitState, ServiceError> {
        let output = self
            .systemctl(&["show", &unit::name(profile), "-p", show::PROPERTIES])
            .run()
            .map_err(failed(operation, profile))?;
        show::parse(&output).ok_or_else(|| ServiceError::Unexpected {
            profile: profile.clone(),
            program: "systemctl show",
            output,
        })
    }

    /// Returns the state of the unit, which must be installed.
    fn show_installed(
        &self,
        operation: &'static str,
        profile: &ProfileName,
    ) -> Result<UnitState, ServiceError> {
        let state = self.show(operation, profile)?;
        if state.is_unknown() {
            return Err(ServiceError::NotInstalled { manager: Kind::Systemd, profile: profile.clone() });
        }
        Ok(state)
    }

    /// Runs a systemd job for the unit. `verb` is `start`, `stop` or `restart`.
    fn job(
        &self,
        operation: &'static str,
        verb: &str,
        profile: &ProfileName,
        deadline: Option<Deadline>,
        awaited: &'static str,
    ) -> Result<(), ServiceError> {
        let name = unit::name(profile);
        let called = match deadline {
            // systemctl waits for the end of the job: until the program was executed, or has ended.
            Some(deadline) => self.systemctl(&[verb, &name]).limit(deadline.left()).run(),
            None => self.systemctl(&["--no-block", verb, &name]).run(),
        };
        match (called, deadline) {
            (Err(ToolError::TimedOut { .. }), Some(Deadline { limit, .. })) => {
                Err(ServiceError::TimedOut { profile: profile.clone(), awaited, limit })
            }
            (called, _) => called.map(drop).map_err(failed(operation, profile)),
        }
    }

    /// Resets the failures of a unit. systemd does not start a unit at its start limit otherwise.
    fn reset_failures(
        &self,
        operation: &'static str,
        profile: &ProfileName,
        state: &UnitState,
    ) -> Result<(), ServiceError> {
        if !state.has_failed() && !state.waits_for_restart() {
            return Ok(());
        }
        let name = unit::name(profile);
        self.systemctl(&["reset-failed", &name]).run().map(drop).map_err(failed(operation, profile))
    }

    fn wait_until_ready(
        &self,
        operation: &'static str,
        profile: &ProfileName,
        deadline: Option<Deadline>,
    ) -> Result<(), ServiceError> {
        let Some(deadline) = deadline else { return Ok(()) };
        deadline.wait(profile, "ready", || {
            let state = self.show(operation, profile)?;
            Ok(match (state.pid, state.why_down()) {
                (Some(pid), _) if reports_ready(&self.home, profile, pid) => Check::Done,
                (None, Some(reason)) => Check::Never(reason),
                _ => Check::NotYet,
            })
        })
    }

    fn enable(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        for words in [&["daemon-reload"][..], &["enable", &unit::name(profile)]] {
            self.systemctl(words).run().map_err(failed("install", profile))?;
        }
        Ok(())
    }
}

fn failed(operation: &'static str, profile: &ProfileName) -> impl FnOnce(ToolError) -> ServiceError {
    move |source| ServiceError::Tool { operation, profile: profile.clone(), source }
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
        let deadline = wait.deadline();
        let state = self.show_installed("start", profile)?;
        self.reset_failures("start", profile, &state)?;
        // A start would wait for the back-off after a crash.
        let verb = if state.waits_for_restart() { "restart" } else { "start" };
        self.job("start", verb, profile, deadline, "ready")?;
        self.wait_until_ready("start", profile, deadline)
    }

    fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let deadline = wait.deadline();
        self.show_installed("stop", profile)?;
        self.job("stop", "stop", profile, deadline, "down")
    }

    fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError> {
        let deadline = wait.deadline();
        let state = self.show_installed("restart", profile)?;
        self.reset_failures("restart", profile, &state)?;
        self.job("restart", "restart", profile, deadline, "ready")?;
        self.wait_until_ready("restart", profile, deadline)
    }

    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        let state = self.show("ask for", profile)?;
        let status = || state.status(now(), |pid| reports_ready(&self.home, profile, pid));
        Ok((!state.is_unknown()).then(status))
    }

    /// Writes and enables the unit. It starts with the user's next session. A running gateway keeps its
    /// former settings.
    fn install(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let text = unit::text(&self.home, &self.program, profile)?;
        let path = self.unit_path(profile);
        let file_error = |path: &PathBuf, source| ServiceError::File {
            operation: "install",
            profile: profile.clone(),
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&self.unit_directory)
            .map_err(|source| file_error(&self.unit_directory, source))?;
        let is_new = !path.try_exists().map_err(|source| file_error(&path, source))?;
        whole_file::write(&path, text.as_bytes(), UNIT_MODE).map_err(|source| ServiceError::Write {
            operation: "install",
            profile: profile.clone(),
            source,
        })?;
        self.enable(profile).inspect_err(|_| {
            if is_new {
                // The first error is the one to report. The next install replaces the unit.
                let _ = fs::remove_file(&path);
            }
        })
    }

    fn uninstall(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let path = self.unit_path(profile);
        let name = unit::name(profile);
        let file_error = |source| ServiceError::File {
            operation: "uninstall",
            profile: profile.clone(),
            path: path.clone(),
            source,
        };
        let run =
            |words: &[&str]| self.systemctl(words).run().map(drop).map_err(failed("uninstall", profile));
        let is_written = path.try_exists().map_err(file_error)?;
        let is_known = !self.show("uninstall", profile)?.is_unknown();
        if is_known {
            run(&["stop", &name])?;
            // A killed unit counts as failed and would stay listed.
            if self.show("uninstall", profile)?.has_failed() {
                run(&["reset-failed", &name])?;
            }
        }
        if is_written {
            run(&["disable", &name])?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file_error(error)),
                _ => {}
            }
        }
        if is_known || is_written { run(&["daemon-reload"]) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
