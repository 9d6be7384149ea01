//! The rules of the product and the paths of its files. This crate starts no process and uses no network.
//!
//! It depends on `hermes-os` and on no other crate of the workspace.

pub mod boot;
mod chain;
pub mod config;
pub mod gateway;
pub mod home;
pub mod lease;
pub mod owned;
pub mod profile;
pub mod secrets;
pub mod timestamp;
mod truthy;

pub use chain::chain;
pub use gateway::{
    BootAction, DesiredState, GatewayState, ObservedState, StateFile, StateRead, action_at_boot,
};
pub use home::Home;
pub use profile::{ProfileDirectories, ProfileName, Profiles, Stray};
pub use truthy::is_truthy;
