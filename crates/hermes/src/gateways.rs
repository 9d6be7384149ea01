//! Gateways as a person looks at them: what is wanted of each, how it is, since when, and on which port.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::time::Duration;

use hermes_core::{DesiredState, Home, ObservedState, ProfileName, StateFile, StateRead, chain};
use hermes_service::{ServiceManager, ServiceStatus};
use serde::Serialize;

use crate::error::CommandError;

/// One gateway.
#[derive(Debug, Serialize)]
pub(crate) struct Gateway {
    pub(crate) profile: String,
    /// What the operator last asked for; nothing when nobody asked for anything.
    pub(crate) desired_state: Option<DesiredState>,
    pub(crate) state: State,
    pub(crate) ready: bool,
    pub(crate) pid: Option<u32>,
    pub(crate) uptime_seconds: Option<u64>,
    pub(crate) restarts: u64,
    /// On which its HTTP API is, beside the socket in the profile's directory.
    pub(crate) port: Option<u16>,
    /// What is wrong with it, in words.
    pub(crate) problem: Option<String>,
}

/// How a gateway is: what its service manager sees, and what it says of itself where it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// The service manager does not know it.
    Unregistered,
    Stopped,
    /// It is up, and not ready yet.
    Starting,
    Running,
    Draining,
    Degraded,
    /// It ended by itself and will be started again.
    Crashed,
    /// It ended by itself too often, or cannot run with its configuration: it stays down.
    GivenUp,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Degraded => "degraded",
            Self::Crashed => "crashed",
            Self::GivenUp => "given up",
        }
    }

    /// What the service manager sees decides; what the gateway says of itself only tells more of one that is up.
    fn of(status: Option<&ServiceStatus>, said: Option<ObservedState>) -> Self {
        let Some(status) = status else { return Self::Unregistered };
        match (status.up, status.ready) {
            (true, true) => match said {
                Some(ObservedState::Draining) => Self::Draining,
                Some(ObservedState::Degraded) => Self::Degraded,
                _ => Self::Running,
            },
            (true, false) if status.restarts > 0 => Self::Crashed,
            (true, false) => Self::Starting,
            (false, _) if status.gave_up.is_some() => Self::GivenUp,
            (false, _) if status.wanted_up => Self::Crashed,
            (false, _) => Self::Stopped,
        }
    }
}

impl Gateway {
    /// Looks at the gateway of `profile`.
    pub(crate) fn look(
        home: &Home,
        manager: &dyn ServiceManager,
        profile: &ProfileName,
    ) -> Result<Self, CommandError> {
        let status = manager.status(profile)?;
        let read = StateFile::of(home, profile).read();
        let (desired_state, said) = match &read {
            StateRead::Read(state) => (state.desired().known(), state.observed().known()),
            StateRead::Missing | StateRead::Unusable(_) => (None, None),
        };
        let port = port(home, profile);
        let mut problem = status.as_ref().and_then(|status| status.gave_up.clone());
        if let StateRead::Read(state) = &read
            && said == Some(ObservedState::StartupFailed)
            && let Some(reason) = state.exit_reason()
        {
            problem = Some(reason.to_owned());
        }
        if let StateRead::Unusable(unusable) = &read {
            problem = Some(format!("its state file is unusable: {unusable}"));
        }
        let problem = problem.or_else(|| port.as_ref().err().cloned());
        Ok(Self {
            profile: profile.to_string(),
            desired_state,
            state: State::of(status.as_ref(), said),
            ready: status.as_ref().is_some_and(|status| status.ready),
            pid: status.as_ref().and_then(|status| status.pid),
            uptime_seconds: status
                .as_ref()
                .filter(|status| status.up)
                .and_then(|status| status.since)
                .map(|since| since.as_secs()),
            restarts: status.as_ref().map_or(0, |status| status.restarts),
            port: port.unwrap_or(None),
            problem,
        })
    }

    /// Looks at all of them.
    pub(crate) fn all(home: &Home, manager: &dyn ServiceManager) -> Result<Vec<Self>, CommandError> {
        home.profiles()?.names.iter().map(|profile| Self::look(home, manager, profile)).collect()
    }

    /// Whether it is as it is wanted.
    pub(crate) fn is_well(&self) -> bool {
        match self.desired_state {
            Some(DesiredState::Running) => matches!(self.state, State::Running | State::Starting),
            _ => !matches!(self.state, State::Crashed | State::GivenUp),
        }
    }

    fn row(&self) -> [String; 6] {
        let dash = || "-".to_owned();
        [
            self.profile.clone(),
            self.desired_state.map_or_else(dash, |state| state.to_string()),
            self.state.word().to_owned(),
            self.uptime_seconds.map_or_else(dash, |seconds| {
                humantime::format_duration(Duration::from_secs(seconds)).to_string()
            }),
            self.restarts.to_string(),
            self.port.map_or_else(dash, |port| port.to_string()),
        ]
    }
}

/// Prints a table of gateways, and below it what is wrong with which.
pub(crate) fn print(gateways: &[Gateway]) {
    let rows: Vec<_> = gateways.iter().map(Gateway::row).collect();
    crate::table::print(["PROFILE", "WANTED", "STATE", "UPTIME", "RESTARTS", "PORT"], &rows);
    for gateway in gateways {
        if let Some(problem) = &gateway.problem {
            println!("{}: {problem}", gateway.profile);
        }
    }
}

/// The port that the profile's configuration gives its gateway; else what is wrong there.
fn port(home: &Home, profile: &ProfileName) -> Result<Option<u16>, String> {
    let settings = hermes_gateway::settings_of(home, profile, &environment());
    settings.map(|settings| settings.port).map_err(|error| chain(&error))
}

/// The variables of this process that are text.
pub(crate) fn environment() -> BTreeMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    env::vars_os().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(up: bool, ready: bool, wanted_up: bool) -> ServiceStatus {
        ServiceStatus { up, ready, wanted_up, pid: None, since: None, restarts: 0, gave_up: None }
    }

    #[test]
    fn what_the_service_manager_sees_decides() {
        let of = |status: ServiceStatus, said| State::of(Some(&status), said);
        let running = Some(ObservedState::Running);
        assert_eq!(State::of(None, running), State::Unregistered);
        assert_eq!(of(status(true, true, true), Some(ObservedState::Starting)), State::Running);
        assert_eq!(of(status(true, true, true), Some(ObservedState::Degraded)), State::Degraded);
        assert_eq!(of(status(true, true, false), Some(ObservedState::Draining)), State::Draining);
        assert_eq!(of(status(true, false, true), running), State::Starting);
        assert_eq!(of(ServiceStatus { restarts: 1, ..status(true, false, true) }, running), State::Crashed);
        assert_eq!(of(status(false, false, true), running), State::Crashed);
        assert_eq!(of(status(false, false, false), running), State::Stopped);
        let given_up = ServiceStatus { gave_up: Some("it crashed".into()), ..status(false, false, false) };
        assert_eq!(of(given_up, running), State::GivenUp);
    }
}
