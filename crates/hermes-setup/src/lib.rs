//! What the boot does to the account and to the volume, before any service runs (`hermes container setup`).
//!
//! Two halves. As *root*: the account's IDs and groups, `HERMES_HOME` itself, and the owner of what is Hermes's own; root writes no
//! file on the volume and reads none there that it believes. As the *account*: directories, seeds, modes, the version of
//! configurations; what goes wrong there can reach no further than the account itself.

mod account;
mod auth_home;
mod devices;
mod directory;
mod former_ids;
mod furnish;
mod groups;
mod home;
mod ids;
mod lacks;
mod notice;
mod ownership;
mod password;
mod root;
mod roots_own;
mod secret_files;
mod seeds;
mod trust;
mod variables;

pub use furnish::furnish;
pub use lacks::report_lacks;
pub use notice::{Notice, Notices};
pub use password::{Hasher, finish_password};
pub use root::{Prepared, prepare};
pub use variables::Variables;
