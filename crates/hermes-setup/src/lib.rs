//! The preparation of the account and of the volume at boot, before any service runs (`hermes container setup`).
//!
//! It has two halves. *Root* settles the account's IDs and groups, `HERMES_HOME` itself, and the owners of Hermes's files. Root
//! writes only its own record on the volume, and trusts no file there that the account can write. The *account* makes directories,
//! seeds and modes, and migrates configurations. A failure there affects the account only.

mod auth_home;
mod devices;
mod directory;
mod former_ids;
mod groups;
mod hashing;
mod home;
mod ids;
mod lacks;
mod notice;
mod ownership;
mod password;
mod populate;
mod ports;
mod remap;
mod root;
mod secret_files;
mod seeds;
mod stored_environment;
mod trust;
mod trusted_path;
mod variables;

pub use directory::Owner;
pub use hashing::Hasher;
pub use lacks::report_lacks;
pub use notice::{Notice, Notices};
pub use password::finish_password;
pub use populate::populate;
pub use root::{Prepared, prepare};
pub use variables::Variables;
