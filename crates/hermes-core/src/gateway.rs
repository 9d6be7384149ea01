//! The files of a gateway: its state, its log, its socket.

pub mod log;
pub mod socket;
pub mod state;

pub use state::{
    BootAction, DesiredState, GatewayState, ObservedState, StateFile, StateRead, action_at_boot,
};
