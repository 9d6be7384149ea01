//! Gateways as a person looks at them: what is wanted of each, how it is, since when, and on which port.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use hermes_core::gateway::socket as gateway_socket;
use hermes_core::{DesiredState, Home, ObservedState, ProfileName, StateFile, StateRead, chain};
use hermes_service::{Condition, ServiceManager};
use serde::Serialize;

use crate::error::CommandError;
use crate::output::say;

/// One gateway.
#[derive(Debug, Serialize)]
pub(crate) struct Gateway {
    pub(crate) profile: String,
    /// What the operator last asked for; nothing when nobody asked for anything.
    pub(crate) desired_state: Option<DesiredState>,
    pub(crate) state: Condition,
    pub(crate) ready: bool,
    pub(crate) pid: Option<u32>,
    pub(crate) uptime_seconds: Option<u64>,
    /// For how long it has been up, or down.
    #[serde(skip)]
    pub(crate) for_seconds: Option<u64>,
    /// How long ago each restart of the last hour was, oldest first.
    #[serde(skip)]
    pub(crate) restarted_seconds_ago: Vec<u64>,
    pub(crate) restarts: u64,
    /// On which its HTTP API is, beside the socket in the profile's directory.
    pub(crate) port: Option<u16>,
    /// The path of its socket, while it serves there.
    pub(crate) socket: Option<PathBuf>,
    /// What is wrong with it, in words.
    pub(crate) problem: Option<String>,
}

impl Gateway {
    /// Looks at the gateway of `profile`.
    pub(crate) fn look(
        home: &Home,
        manager: &dyn ServiceManager,
        profile: &ProfileName,
    ) -> Result<Self, CommandError> {
        Self::look_with(home, manager, profile, &environment())
    }

    fn look_with(
        home: &Home,
        manager: &dyn ServiceManager,
        profile: &ProfileName,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, CommandError> {
        let status = manager.status(profile)?;
        let read = StateFile::of(home, profile).read();
        let (desired_state, said) = match &read {
            StateRead::Read(state) => (state.desired().known(), state.observed().known()),
            StateRead::Missing | StateRead::Unusable(_) => (None, None),
        };
        let port = port(home, profile, environment);
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
            state: Condition::of(status.as_ref(), said),
            ready: status.as_ref().is_some_and(|status| status.ready),
            pid: status.as_ref().and_then(|status| status.pid),
            uptime_seconds: status
                .as_ref()
                .filter(|status| status.up)
                .and_then(|status| status.since)
                .map(|since| since.as_secs()),
            for_seconds: status.as_ref().and_then(|status| status.since).map(|since| since.as_secs()),
            restarted_seconds_ago: status
                .as_ref()
                .map_or_else(Vec::new, |status| status.restarted_ago.iter().map(Duration::as_secs).collect()),
            restarts: status.as_ref().map_or(0, |status| status.restarts),
            port: port.unwrap_or(None),
            socket: gateway_socket::find(home, profile),
            problem,
        })
    }

    /// Looks at all of them.
    pub(crate) fn all(home: &Home, manager: &dyn ServiceManager) -> Result<Vec<Self>, CommandError> {
        let environment = environment();
        let look = |profile| Self::look_with(home, manager, profile, &environment);
        home.profiles()?.names.iter().map(look).collect()
    }

    /// Whether it is as it is wanted.
    pub(crate) fn is_well(&self) -> bool {
        match self.desired_state {
            Some(DesiredState::Running) => matches!(self.state, Condition::Running | Condition::Starting),
            _ => !matches!(self.state, Condition::Crashed | Condition::GivenUp),
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
            say!("{}: {problem}", gateway.profile);
        }
    }
}

/// The port that the profile's configuration gives its gateway; else what is wrong there.
fn port(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
) -> Result<Option<u16>, String> {
    let settings = hermes_gateway::settings_of(home, profile, environment);
    settings.map(|settings| settings.port).map_err(|error| chain(&error))
}

/// The variables of this process that are text.
pub(crate) fn environment() -> BTreeMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    env::vars_os().filter_map(text).collect()
}
