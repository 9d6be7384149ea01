//! The rules of the product, and where its files lie: no process is started here and no network is touched.
//!
//! Everything else stands on this crate; it stands on no other of the workspace.

pub mod active_profile;
pub mod boot_log;
pub mod boot_record;
mod chain;
pub mod config;
pub mod dot_env;
pub mod file_system;
pub mod gateway_log;
pub mod gateway_socket;
pub mod gateway_state;
pub mod home;
pub mod lease;
pub mod lock_file;
pub mod mounts;
pub mod owned;
pub mod printable;
pub mod profile_directories;
pub mod profile_name;
pub mod removal;
pub mod secret_name;
pub mod secrets;
pub mod timestamp;
mod truthy;
pub mod waiting;
pub mod whole_file;

pub use chain::chain;
pub use gateway_state::{
    BootAction, DesiredState, GatewayState, ObservedState, StateFile, StateRead, action_at_boot,
};
pub use home::{Home, Profiles, Stray};
pub use profile_directories::ProfileDirectories;
pub use profile_name::ProfileName;
pub use truthy::is_truthy;
