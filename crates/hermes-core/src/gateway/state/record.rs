//! What the file holds.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::timestamp;

/// What `kind` says in every state file.
pub const KIND: &str = "hermes-gateway";

/// What the operator last asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    /// The gateway is to be up, now and after a restart of the container.
    Running,
    /// The gateway is to be down.
    Stopped,
}

/// What the gateway last said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedState {
    /// It is not ready yet.
    Starting,
    /// It serves.
    Running,
    /// It finishes what is in flight.
    Draining,
    /// It serves, with a part of it missing.
    Degraded,
    /// It ended as it was told to.
    Stopped,
    /// It could not start.
    StartupFailed,
}

impl DesiredState {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Running, Self::Stopped].into_iter().find(|state| state.as_str() == word)
    }
}

impl ObservedState {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Degraded => "degraded",
            Self::Stopped => "stopped",
            Self::StartupFailed => "startup_failed",
        }
    }

    /// Whether a gateway that said so was serving, or had been until someone stopped it.
    pub fn was_up(self) -> bool {
        matches!(self, Self::Running | Self::Draining | Self::Degraded)
    }

    /// What a gateway leaves behind when SIGTERM ends it: unless the operator wants it stopped, it is the container that goes
    /// down and not the intent.
    pub fn left_by_sigterm(desired: Option<DesiredState>) -> Self {
        if desired == Some(DesiredState::Stopped) { Self::Stopped } else { Self::Running }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Starting, Self::Running, Self::Draining, Self::Degraded, Self::Stopped, Self::StartupFailed]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

impl fmt::Display for DesiredState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for ObservedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A field that should hold one of a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded<T> {
    /// The field is missing, or `null`.
    Absent,
    /// One of the words.
    Known(T),
    /// Anything else. It decides nothing.
    Unknown,
}

impl<T> Recorded<T> {
    /// The word, where it is one.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(word) => Some(word),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// What a state file holds, the fields that nobody here knows included.
///
/// A field of the wrong type reads as if it were not there: the file may come from anywhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GatewayState {
    fields: Map<String, Value>,
}

/// What a gateway says of itself. What it does not hold is kept as it was in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The state that it is in.
    pub state: ObservedState,
    /// Its PID.
    pub pid: u32,
    /// When it started, in clock ticks after the boot of the machine: field 22 of `/proc/<pid>/stat`. With the PID it names
    /// the process.
    pub start_time: u64,
    /// Its command line.
    pub argv: Vec<String>,
    /// Why it ended, or could not start.
    pub exit_reason: Option<String>,
    /// Whether it ended in order to be started again.
    pub restart_requested: bool,
    /// How many agents are at work in it.
    pub active_agents: u64,
    /// What it is connected to, by name.
    pub platforms: Map<String, Value>,
}

impl GatewayState {
    /// `desired_state`: what the operator wants.
    pub fn desired(&self) -> Recorded<DesiredState> {
        self.word("desired_state", DesiredState::from_word)
    }

    /// `gateway_state`: what the gateway last said.
    pub fn observed(&self) -> Recorded<ObservedState> {
        self.word("gateway_state", ObservedState::from_word)
    }

    /// The PID of the gateway that wrote it last.
    pub fn pid(&self) -> Option<u32> {
        self.fields.get("pid")?.as_u64()?.try_into().ok().filter(|&pid| pid != 0)
    }

    /// When that process started, in clock ticks after the boot of the machine.
    pub fn start_time(&self) -> Option<u64> {
        self.fields.get("start_time")?.as_u64()
    }

    /// What kind of process it is: [`KIND`].
    pub fn kind(&self) -> Option<&str> {
        self.fields.get("kind")?.as_str()
    }

    /// Its command line.
    pub fn argv(&self) -> Option<Vec<&str>> {
        self.fields.get("argv")?.as_array()?.iter().map(Value::as_str).collect()
    }

    /// Why it ended, or could not start.
    pub fn exit_reason(&self) -> Option<&str> {
        self.fields.get("exit_reason")?.as_str()
    }

    /// Whether it ended in order to be started again.
    pub fn restart_requested(&self) -> bool {
        self.fields.get("restart_requested").and_then(Value::as_bool).unwrap_or(false)
    }

    /// How many agents were at work in it.
    pub fn active_agents(&self) -> Option<u64> {
        self.fields.get("active_agents")?.as_u64()
    }

    /// What it was connected to, by name.
    pub fn platforms(&self) -> Option<&Map<String, Value>> {
        self.fields.get("platforms")?.as_object()
    }

    /// When the gateway last wrote, as it wrote it: RFC 3339.
    pub fn updated_at(&self) -> Option<&str> {
        self.fields.get("updated_at")?.as_str()
    }

    /// Any field, known here or not.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// The state in a JSON value; else what kind of value it is.
    pub(super) fn from_json(value: Value) -> Result<Self, &'static str> {
        match value {
            Value::Object(fields) => Ok(Self { fields }),
            Value::Array(_) => Err("an array"),
            Value::String(_) => Err("a string"),
            Value::Number(_) => Err("a number"),
            Value::Bool(_) => Err("a boolean"),
            Value::Null => Err("null"),
        }
    }

    /// One line of JSON.
    pub(super) fn to_json(&self) -> Vec<u8> {
        Value::Object(self.fields.clone()).to_string().into_bytes()
    }

    pub(super) fn set_desired(&mut self, desired: DesiredState) {
        self.set("desired_state", desired.as_str());
    }

    pub(super) fn observe(&mut self, observation: Observation, now: SystemTime) {
        let Observation {
            state,
            pid,
            start_time,
            argv,
            exit_reason,
            restart_requested,
            active_agents,
            platforms,
        } = observation;
        self.set("gateway_state", state.as_str());
        self.set("pid", pid);
        self.set("start_time", start_time);
        self.set("kind", KIND);
        self.set("argv", argv);
        self.set("exit_reason", exit_reason);
        self.set("restart_requested", restart_requested);
        self.set("active_agents", active_agents);
        self.set("platforms", platforms);
        self.set("updated_at", timestamp::rfc3339(now));
    }

    fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), value.into());
    }

    fn word<T>(&self, field: &str, from_word: impl FnOnce(&str) -> Option<T>) -> Recorded<T> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Recorded::Absent,
            Some(Value::String(word)) => from_word(word).map_or(Recorded::Unknown, Recorded::Known),
            Some(_) => Recorded::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract() {
        let words = ["starting", "running", "draining", "degraded", "stopped", "startup_failed"];
        for word in words {
            let state = ObservedState::from_word(word).unwrap();
            assert_eq!(state.as_str(), word);
            assert_eq!(serde_json::to_value(state).unwrap(), word);
        }
        for state in [DesiredState::Running, DesiredState::Stopped] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(ObservedState::from_word("Running"), None);
        assert_eq!(DesiredState::from_word("degraded"), None);
    }

    #[test]
    fn a_stop_of_the_container_leaves_running_behind_and_a_stop_by_the_operator_stopped() {
        assert_eq!(ObservedState::left_by_sigterm(Some(DesiredState::Stopped)), ObservedState::Stopped);
        assert_eq!(ObservedState::left_by_sigterm(Some(DesiredState::Running)), ObservedState::Running);
        assert_eq!(ObservedState::left_by_sigterm(None), ObservedState::Running);
    }

    #[test]
    fn a_field_of_the_wrong_type_reads_as_if_it_were_not_there() {
        let state: GatewayState = serde_json::from_str(
            r#"{"pid":-1,"start_time":1.5,"kind":7,"argv":["a",1],"exit_reason":[],"restart_requested":"yes",
                "active_agents":"2","platforms":[],"updated_at":0,"desired_state":5,"gateway_state":"odd"}"#,
        )
        .unwrap();
        assert_eq!(state.pid(), None);
        assert_eq!(state.start_time(), None);
        assert_eq!(state.kind(), None);
        assert_eq!(state.argv(), None);
        assert_eq!(state.exit_reason(), None);
        assert!(!state.restart_requested());
        assert_eq!(state.active_agents(), None);
        assert_eq!(state.platforms(), None);
        assert_eq!(state.updated_at(), None);
        assert_eq!(state.desired(), Recorded::Unknown);
        assert_eq!(state.observed(), Recorded::Unknown);
    }
}
