//! The content of the state file.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::timestamp;

/// The value of `kind` in every state file.
pub const KIND: &str = "hermes-gateway";

/// The desired state, as the operator last set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    /// The gateway is to run, also after a restart of the container.
    Running,
    /// The gateway is to be stopped.
    Stopped,
}

/// The observed state, as the gateway last reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedState {
    /// The gateway starts and is not ready.
    Starting,
    /// The gateway serves.
    Running,
    /// The gateway finishes the requests in flight.
    Draining,
    /// The gateway serves without one of its parts.
    Degraded,
    /// The gateway ended after a request to stop.
    Stopped,
    /// The gateway failed to start.
    StartupFailed,
}

impl DesiredState {
    /// Returns the word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

impl ObservedState {
    /// Returns the word in the file.
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

    /// Returns `true` if the gateway served, or had served until a stop.
    pub fn was_up(self) -> bool {
        matches!(self, Self::Running | Self::Draining | Self::Degraded)
    }

    /// Returns the observed state after SIGTERM. Unless the desired state is `stopped`, the container stops
    /// and the gateway is to run again.
    pub fn left_by_sigterm(desired: Option<DesiredState>) -> Self {
        if desired == Some(DesiredState::Stopped) { Self::Stopped } else { Self::Running }
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

/// A field that holds one of a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded<T> {
    /// The field is missing or `null`.
    Absent,
    /// The field holds a known word.
    Known(T),
    /// The field holds any other value, which decides nothing.
    Unknown,
}

impl<T> Recorded<T> {
    /// Returns the known word.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(word) => Some(word),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// The content of a state file, unknown fields included.
///
/// A field of a wrong type counts as missing, since the file may come from any program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GatewayState {
    fields: Map<String, Value>,
}

/// The report of a gateway about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The observed state.
    pub state: ObservedState,
    /// The PID.
    pub pid: u32,
    /// The start of the process, in clock ticks after the boot of the machine: field 22 of
    /// `/proc/<pid>/stat`. Together with the PID it identifies the process.
    pub start_time: u64,
    /// The command line.
    pub argv: Vec<String>,
    /// The reason of the end or of the failed start.
    pub exit_reason: Option<String>,
    /// The process ended in order to be started again.
    pub restart_requested: bool,
    /// The number of agents at work.
    pub active_agents: u64,
    /// The connected platforms, by name.
    pub platforms: Map<String, Value>,
}

impl GatewayState {
    /// Returns `desired_state`.
    pub fn desired(&self) -> Recorded<DesiredState> {
        self.word("desired_state")
    }

    /// Returns `gateway_state`, the observed state.
    pub fn observed(&self) -> Recorded<ObservedState> {
        self.word("gateway_state")
    }

    /// Returns the PID of the gateway that last wrote the file.
    pub fn pid(&self) -> Option<u32> {
        self.fields.get("pid")?.as_u64()?.try_into().ok().filter(|&pid| pid != 0)
    }

    /// Returns the start of that process, in clock ticks after the boot of the machine.
    pub fn start_time(&self) -> Option<u64> {
        self.fields.get("start_time")?.as_u64()
    }

    /// Returns the kind of the process: [`KIND`].
    pub fn kind(&self) -> Option<&str> {
        self.fields.get("kind")?.as_str()
    }

    /// Returns the command line.
    pub fn argv(&self) -> Option<Vec<&str>> {
        self.fields.get("argv")?.as_array()?.iter().map(Value::as_str).collect()
    }

    /// Returns the reason of the end or of the failed start.
    pub fn exit_reason(&self) -> Option<&str> {
        self.fields.get("exit_reason")?.as_str()
    }

    /// Returns `true` if the process ended in order to be started again.
    pub fn restart_requested(&self) -> bool {
        self.fields.get("restart_requested").and_then(Value::as_bool).unwrap_or(false)
    }

    /// Returns the number of agents at work.
    pub fn active_agents(&self) -> Option<u64> {
        self.fields.get("active_agents")?.as_u64()
    }

    /// Returns the connected platforms, by name.
    pub fn platforms(&self) -> Option<&Map<String, Value>> {
        self.fields.get("platforms")?.as_object()
    }

    /// Returns the time of the last write by the gateway: RFC 3339.
    pub fn updated_at(&self) -> Option<&str> {
        self.fields.get("updated_at")?.as_str()
    }

    /// Returns any field, known or not.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// Returns the state in a JSON object; for another value, its kind.
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

    /// Returns one line of JSON.
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

    fn word<'s, T: Deserialize<'s>>(&'s self, field: &str) -> Recorded<T> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Recorded::Absent,
            Some(word @ Value::String(_)) => T::deserialize(word).map_or(Recorded::Unknown, Recorded::Known),
            Some(_) => Recorded::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_word<T: for<'w> Deserialize<'w>>(word: &str) -> Option<T> {
        T::deserialize(&Value::from(word)).ok()
    }

    #[test]
    fn states_have_the_words_of_the_contract() {
        let words = ["starting", "running", "draining", "degraded", "stopped", "startup_failed"];
        for word in words {
            let state = from_word::<ObservedState>(word).unwrap();
            assert_eq!(state.as_str(), word);
            assert_eq!(serde_json::to_value(state).unwrap(), word);
        }
        for state in [DesiredState::Running, DesiredState::Stopped] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(from_word::<ObservedState>("Running"), None);
        assert_eq!(from_word::<DesiredState>("degraded"), None);
    }

    #[test]
    fn only_a_desired_stop_records_stopped() {
        assert_eq!(ObservedState::left_by_sigterm(Some(DesiredState::Stopped)), ObservedState::Stopped);
        assert_eq!(ObservedState::left_by_sigterm(Some(DesiredState::Running)), ObservedState::Running);
        assert_eq!(ObservedState::left_by_sigterm(None), ObservedState::Running);
    }

    #[test]
    fn fields_of_a_wrong_type_count_as_missing() {
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
