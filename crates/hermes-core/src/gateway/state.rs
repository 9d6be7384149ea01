//! `gateway_state.json`: the desired state and the observed state of a gateway (`docs/gateways.md`).
//!
//! The file has two writers. Commands of the operator write `desired_state`; the gateway writes the other
//! fields. Each change takes a lock beside the file, reads the file, changes its fields and replaces the
//! file. So neither loses the fields of the other, nor those of a later release or of the Python program.
//! Readers need no lock, since the file is only replaced.

mod boot;
mod file;
mod record;

pub use boot::{BootAction, action_at_boot, prior_state};
pub use file::{STATE_FILE_MAX, StateFile, StateFileError, StateRead, Unusable};
pub use record::{DesiredState, GatewayState, KIND, Observation, ObservedState, Recorded};
