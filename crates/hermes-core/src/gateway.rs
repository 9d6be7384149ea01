//! The files of a gateway: its state, its log, its socket, its settings, its PID, its keys.

pub mod agent_keys;
pub mod api_key;
pub mod log;
pub mod pid;
pub mod settings;
pub mod socket;
pub mod state;

pub use state::{
    BootAction, DesiredState, GatewayState, ObservedState, StateFile, StateRead, action_at_boot,
};
