//! The configuration of a profile: `config.yaml` and `.env`.
//!
//! A change of `config.yaml` replaces only the characters of the changed value. Comments and the order stay. The result is parsed
//! again; if it differs in more than that value, nothing is written. A syntax error names line and column.

pub mod dot_env;
mod file;
mod gateway;
mod known;
mod migrate;
mod port;
mod restart;
mod version;
mod yaml;

pub use file::{CONFIG_FILE_MAX, ConfigFileError, change, load};
pub use gateway::{
    DEFAULT_CONCURRENT_RUNS, DEFAULT_DRAIN_TIMEOUT, DEFAULT_HOST, DEFAULT_REQUESTS_PER_MINUTE, GatewayConfig,
    GatewayConfigError, time_of,
};
pub use known::{KNOWN_KEYS, KnownKey, Rule};
pub use migrate::{MigrateError, Migration, migrate, migrate_and};
pub use port::{DEFAULT_PROFILE_PORT, PROFILE_PORTS, is_service_link, port_for, service_link_warning};
pub use restart::RestartPolicy;
pub use version::{CURRENT_VERSION, Version, VersionError, is_surely_current};
pub use yaml::{Config, Key, KeyError, SetError, Setting, SyntaxError};

#[cfg(test)]
mod merge_tests;
#[cfg(test)]
mod migrate_tests;
#[cfg(test)]
mod seed_tests;
#[cfg(test)]
mod tests;
