//! A gateway: the long-running process of one profile, from its lock to its last state (`contract.md` §5).
//!
//! The `hermes` program calls [`run`] and turns what comes back into an exit code; s6 restarts the process or does not. The rules
//! for files, names and settings are `hermes-core`'s.

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
mod settings;
mod signals;
mod state;

pub use error::{GatewayError, SettingPlace};
pub use options::Options;
pub use run::run;
pub use state::STATE_INTERVAL;

#[cfg(test)]
mod tests;
