//! `gateway_state.json`: what the operator wants of a gateway, and what the gateway says of itself (`contract.md` §5).
//!
//! Two write it, each its own fields: the operator's commands `desired_state`, the gateway the rest. Each change reads the file,
//! changes its fields and writes the whole, under a lock on a file beside it, so neither loses what the other wrote, nor what a
//! later version or the Python program keeps there. Anyone reads it without the lock, since it is only ever replaced.

mod boot;
mod file;
mod record;

pub use boot::{BootAction, action_at_boot, prior_state};
pub use file::{STATE_FILE_MAX, StateFile, StateFileError, StateRead, Unusable};
pub use record::{DesiredState, GatewayState, KIND, Observation, ObservedState, Recorded};
