//! `config.yaml` of a profile: read, asked by dotted keys, changed without touching what was not meant.
//!
//! A change replaces the few characters that it is about and leaves all others as they are, comments and order included; the
//! result is parsed again and must differ in that one value, or nothing is written. A file that is broken is an error that names
//! line and column.

mod document;
mod edit;
mod file;
mod gateway;
mod key;
mod migrate;
mod port;
mod restart;
mod scalar;
mod unset;
mod version;

pub use document::{Config, Setting, SyntaxError};
pub use edit::SetError;
pub use file::{CONFIG_FILE_MAX, ConfigFileError, change, load};
pub use gateway::{DEFAULT_DRAIN_TIMEOUT, DEFAULT_HOST, GatewayConfig, GatewayConfigError, time_of};
pub use key::{Key, KeyError};
pub use migrate::{MigrateError, Migration, migrate};
pub use port::{DEFAULT_PROFILE_PORT, PROFILE_PORTS, is_service_link, port_for, service_link_warning};
pub use restart::RestartPolicy;
pub use version::{CURRENT_VERSION, Version, VersionError, is_surely_current};

#[cfg(test)]
mod merge_tests;
#[cfg(test)]
mod migrate_tests;
#[cfg(test)]
mod seed_tests;
#[cfg(test)]
mod tests;
