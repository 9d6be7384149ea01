//! `HERMES_HOME` and the paths of all files below it.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::profile::name::ProfileName;

/// The name of the variable.
pub const HOME_VARIABLE: &str = "HERMES_HOME";

/// The path if the variable is unset or empty.
pub const DEFAULT_HOME: &str = "/opt/data";

/// The name of the file that marks a directory as a profile.
pub(crate) const SOUL: &str = "SOUL.md";

/// The name of the file with the generated key of a gateway's API.
pub const API_KEY: &str = ".api_key";

/// The data directory of hermes, an absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// An error about `HERMES_HOME`.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The path is relative, so its meaning would depend on the caller.
    #[error("HERMES_HOME must be an absolute path, and is {value:?}")]
    NotAbsolute {
        /// The value of the variable.
        value: OsString,
    },
    /// `profiles/` exists, or may exist, and cannot be read.
    #[error("failed to list the profiles in {}", path.display())]
    ListProfiles {
        /// The directory.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

impl Home {
    /// Returns the directory in `HERMES_HOME`, or [`DEFAULT_HOME`] if the variable is unset or empty.
    ///
    /// # Errors
    /// Fails if the path is relative.
    pub fn from_env() -> Result<Self, HomeError> {
        match env::var_os(HOME_VARIABLE) {
            Some(value) if !value.is_empty() => Self::new(value),
            _ => Self::new(DEFAULT_HOME),
        }
    }

    /// Returns the directory `root`.
    ///
    /// # Errors
    /// Fails if the path is relative.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let root = root.into();
        if root.is_absolute() {
            Ok(Self { root })
        } else {
            Err(HomeError::NotAbsolute { value: root.into() })
        }
    }

    /// Returns the path of `HERMES_HOME`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory of the named profiles.
    pub fn profiles_directory(&self) -> PathBuf {
        self.root.join("profiles")
    }

    /// Returns the directory of a profile: the root for the default one.
    pub fn profile_directory(&self, profile: &ProfileName) -> PathBuf {
        if profile.is_default() {
            self.root.clone()
        } else {
            self.profiles_directory().join(profile.as_str())
        }
    }

    /// The agent's description of itself. The file marks a directory as a profile.
    pub fn soul(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, SOUL)
    }

    /// The profile's configuration.
    pub fn config(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "config.yaml")
    }

    /// The profile's secrets.
    pub fn dot_env(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, ".env")
    }

    /// The generated key of the gateway's API ([`crate::gateway::api_key`]).
    pub fn api_key(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, API_KEY)
    }

    /// The keys with which the agent asks others ([`crate::gateway::agent_keys`]).
    pub fn agent_keys(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "agent-keys")
    }

    /// The desired state and the observed state of the gateway ([`crate::gateway::state`]).
    pub fn gateway_state(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway_state.json")
    }

    /// The PID of the running gateway.
    pub fn gateway_pid(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.pid")
    }

    /// The file that the gateway locks while it runs.
    pub fn gateway_lock(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.lock")
    }

    /// The record of the gateway's child processes. It is stale after a boot.
    pub fn processes(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "processes.json")
    }

    /// The socket of the gateway's HTTP API. The path may exceed the 107 bytes that a socket address holds
    /// (unix(7)).
    pub fn gateway_socket(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.sock")
    }

    /// The history of the messages that a person typed in a conversation.
    pub fn chat_history(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, ".chat_history")
    }

    /// The database of the agent's sessions.
    pub fn database(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "hermes.db")
    }

    /// The file with the name of the active profile ([`crate::profile::active`]).
    pub fn active_profile(&self) -> PathBuf {
        self.root.join("active_profile")
    }

    /// The directory of all logs.
    pub fn logs_directory(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The directory of a gateway's log.
    pub fn gateway_logs_directory(&self, profile: &ProfileName) -> PathBuf {
        let mut path = self.logs_directory();
        path.extend(["gateways", profile.as_str()]);
        path
    }

    /// The log file that `s6-log` writes.
    pub fn gateway_log(&self, profile: &ProfileName) -> PathBuf {
        self.gateway_logs_directory(profile).join("current")
    }

    /// The log of the boots ([`crate::boot::log`]).
    pub fn boot_log(&self) -> PathBuf {
        self.logs_directory().join("container-boot.log")
    }

    /// The records of the last boots ([`crate::boot::record`]).
    pub fn boots(&self) -> PathBuf {
        self.logs_directory().join("boots.json")
    }

    /// The lease of the volume ([`crate::lease`]).
    pub fn lease(&self) -> PathBuf {
        self.root.join("lease.json")
    }

    /// The file that the lease holder locks while it runs.
    pub fn lease_lock(&self) -> PathBuf {
        self.root.join("lease.lock")
    }

    /// The private directory of the dashboard.
    pub fn dashboard_directory(&self) -> PathBuf {
        self.root.join("dashboard")
    }

    /// The dashboard's token, for installations without a password.
    pub fn dashboard_token(&self) -> PathBuf {
        self.dashboard_directory().join("token")
    }

    /// The sessions of the dashboard.
    pub fn dashboard_sessions(&self) -> PathBuf {
        self.dashboard_directory().join("sessions.json")
    }

    /// The state of the dashboard.
    pub fn dashboard_state(&self) -> PathBuf {
        self.dashboard_directory().join("state.json")
    }

    fn in_profile(&self, profile: &ProfileName, file: &str) -> PathBuf {
        let mut path = self.profile_directory(profile);
        path.push(file);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_home_is_refused() {
        assert!(Home::new("/x").is_ok());
        for relative in ["", "data", "./data", "../data"] {
            assert!(matches!(Home::new(relative).unwrap_err(), HomeError::NotAbsolute { .. }), "{relative}");
        }
    }

    #[test]
    fn only_the_default_profile_lies_at_the_root() {
        let home = Home::new("/opt/data").unwrap();
        let (default, coder) = (ProfileName::default_profile(), ProfileName::new("coder").unwrap());
        let both = |path: fn(&Home, &ProfileName) -> PathBuf| {
            [path(&home, &default), path(&home, &coder)]
                .map(|path| path.into_os_string().into_string().unwrap())
        };
        assert_eq!(both(Home::soul), ["/opt/data/SOUL.md", "/opt/data/profiles/coder/SOUL.md"]);
        assert_eq!(both(Home::config), ["/opt/data/config.yaml", "/opt/data/profiles/coder/config.yaml"]);
        assert_eq!(both(Home::dot_env), ["/opt/data/.env", "/opt/data/profiles/coder/.env"]);
        assert_eq!(
            both(Home::gateway_state),
            ["/opt/data/gateway_state.json", "/opt/data/profiles/coder/gateway_state.json"]
        );
        assert_eq!(
            both(Home::gateway_pid),
            ["/opt/data/gateway.pid", "/opt/data/profiles/coder/gateway.pid"]
        );
        assert_eq!(
            both(Home::gateway_lock),
            ["/opt/data/gateway.lock", "/opt/data/profiles/coder/gateway.lock"]
        );
        assert_eq!(
            both(Home::processes),
            ["/opt/data/processes.json", "/opt/data/profiles/coder/processes.json"]
        );
        assert_eq!(
            both(Home::gateway_socket),
            ["/opt/data/gateway.sock", "/opt/data/profiles/coder/gateway.sock"]
        );
        assert_eq!(
            both(Home::gateway_log),
            ["/opt/data/logs/gateways/default/current", "/opt/data/logs/gateways/coder/current"]
        );
        assert_eq!(home.boot_log(), Path::new("/opt/data/logs/container-boot.log"));
        assert_eq!(home.active_profile(), Path::new("/opt/data/active_profile"));
    }
}
