//! A gateway as a person looks at it: its desired state, its state, since when, and its port.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hermes_core::gateway::{settings, socket as gateway_socket};
use hermes_core::{DesiredState, Home, ObservedState, ProfileName, StateFile, StateRead, chain};
use hermes_service::Condition;
use serde::Serialize;

use crate::environment::environment;
use crate::operations::Operations;
use crate::report::Report;

/// A profile and its gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Gateway {
    /// The name of the profile.
    pub profile: String,
    /// The state that the operator last asked for, `running` or `stopped`.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub desired_state: Option<DesiredState>,
    /// Its state.
    pub state: Condition,
    /// It has said that it is ready.
    pub ready: bool,
    /// Its process, while it is up.
    pub pid: Option<u32>,
    /// The time that it has been up, in seconds.
    pub uptime_seconds: Option<u64>,
    /// The time that it has been up, or down, in seconds, if that is known.
    pub for_seconds: Option<u64>,
    /// The number of restarts after it ended by itself, since the operator last started it.
    pub restarts: u64,
    /// The age of each restart within the last hour, in seconds, oldest first.
    pub restarted_seconds_ago: Vec<u64>,
    /// The port of its HTTP API, beside the socket.
    pub port: Option<u16>,
    /// The path of its socket, while it serves there.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub socket: Option<PathBuf>,
    /// Its problem, in words.
    pub problem: Option<String>,
}

impl Operations {
    /// Looks at the gateway of `profile`.
    ///
    /// # Errors
    /// The service manager does not tell.
    pub fn gateway(&self, profile: &ProfileName) -> Result<Gateway, Report> {
        self.look(profile, &environment())
    }

    /// Looks at the gateways of all profiles, the default one first.
    ///
    /// # Errors
    /// The profiles cannot be listed, or the service manager does not tell.
    pub fn gateways(&self) -> Result<Vec<Gateway>, Report> {
        let environment = environment();
        self.home().profiles()?.names.iter().map(|profile| self.look(profile, &environment)).collect()
    }

    fn look(&self, profile: &ProfileName, environment: &BTreeMap<String, String>) -> Result<Gateway, Report> {
        let home = self.home();
        let status = self.manager().status(profile)?;
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
        Ok(Gateway {
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
}

impl Gateway {
    /// Returns `true` if its state is the desired one.
    pub fn is_well(&self) -> bool {
        match self.desired_state {
            Some(DesiredState::Running) => matches!(self.state, Condition::Running | Condition::Starting),
            _ => !matches!(self.state, Condition::Crashed | Condition::GivenUp),
        }
    }
}

/// Returns the port that the profile's configuration gives its gateway; else the fault there.
fn port(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
) -> Result<Option<u16>, String> {
    let found = settings::settings_of(home, profile, environment);
    found.map(|settings| settings.port).map_err(|error| chain(&error))
}
