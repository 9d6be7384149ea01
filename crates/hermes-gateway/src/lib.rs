//! A gateway: the long-running process of one profile, from its lock to its last state (`docs/gateways.md`).
//!
//! The `hermes` program calls [`run`] and turns the result into an exit code. s6 restarts the process or leaves it down. The rules
//! for files, names and settings lie in `hermes-core`.

mod agent;
mod confinement;
mod directory;
mod disk;
mod error;
mod http;
mod listen;
mod lock;
mod options;
mod pid_file;
mod run;
mod say;
mod serve;
mod setting_place;
mod settings;
mod state;
mod turns;

pub use error::GatewayError;
pub use options::Options;
pub use run::run;
pub use setting_place::SettingPlace;
pub use state::STATE_INTERVAL;

#[cfg(test)]
mod tests;
