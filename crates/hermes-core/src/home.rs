//! `HERMES_HOME`: every path under it, and which profiles it holds.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::profile::name::ProfileName;

/// The variable that names it.
pub const HOME_VARIABLE: &str = "HERMES_HOME";

/// Where it is when nothing names it.
pub const DEFAULT_HOME: &str = "/opt/data";

/// The file that makes a directory a profile.
pub(crate) const SOUL: &str = "SOUL.md";

/// The directory of all that Hermes keeps: an absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// What was asked of `HERMES_HOME` and failed.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A relative path would mean another directory for each caller.
    #[error("HERMES_HOME must be an absolute path, and is {value:?}")]
    NotAbsolute {
        /// What the variable holds.
        value: OsString,
    },
    /// `profiles/` is there, or may be, and cannot be read.
    #[error("list the profiles in {}", path.display())]
    ListProfiles {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Home {
    /// What the environment says: `HERMES_HOME`, or [`DEFAULT_HOME`] when that is unset or empty.
    ///
    /// # Errors
    /// The path is relative.
    pub fn from_env() -> Result<Self, HomeError> {
        match env::var_os(HOME_VARIABLE) {
            Some(value) if !value.is_empty() => Self::new(value),
            _ => Self::new(DEFAULT_HOME),
        }
    }

    /// The directory `root`.
    ///
    /// # Errors
    /// The path is relative.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let root = root.into();
        if root.is_absolute() {
            Ok(Self { root })
        } else {
            Err(HomeError::NotAbsolute { value: root.into() })
        }
    }

    /// `HERMES_HOME` itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the profiles that have a name lie.
    pub fn profiles_directory(&self) -> PathBuf {
        self.root.join("profiles")
    }

    /// The directory of a profile: the root for the default one.
    pub fn profile_directory(&self, profile: &ProfileName) -> PathBuf {
        if profile.is_default() {
            self.root.clone()
        } else {
            self.profiles_directory().join(profile.as_str())
        }
    }

    /// What the agent is told that it is; marks a directory as a profile.
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

    /// What the operator wants of the gateway and what it says of itself ([`crate::gateway::state`]).
    pub fn gateway_state(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway_state.json")
    }

    /// The PID of the running gateway.
    pub fn gateway_pid(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.pid")
    }

    /// Locked by the gateway for as long as it lives.
    pub fn gateway_lock(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.lock")
    }

    /// What the gateway started; stale after a boot.
    pub fn processes(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "processes.json")
    }

    /// The socket of the gateway's HTTP API. The path may be longer than the 107 bytes that a socket's address holds.
    pub fn gateway_socket(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.sock")
    }

    /// The name of the profile that is used when none is given ([`crate::profile::active`]).
    pub fn active_profile(&self) -> PathBuf {
        self.root.join("active_profile")
    }

    /// Where everything logs.
    pub fn logs_directory(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where the gateway of a profile logs.
    pub fn gateway_logs_directory(&self, profile: &ProfileName) -> PathBuf {
        let mut path = self.logs_directory();
        path.extend(["gateways", profile.as_str()]);
        path
    }

    /// The file that `s6-log` is writing.
    pub fn gateway_log(&self, profile: &ProfileName) -> PathBuf {
        self.gateway_logs_directory(profile).join("current")
    }

    /// What the boots did with the profiles ([`crate::boot::log`]).
    pub fn boot_log(&self) -> PathBuf {
        self.logs_directory().join("container-boot.log")
    }

    /// The last boots ([`crate::boot::record`]).
    pub fn boots(&self) -> PathBuf {
        self.logs_directory().join("boots.json")
    }

    /// Which container owns the volume.
    pub fn lease(&self) -> PathBuf {
        self.root.join("lease.json")
    }

    /// Locked by who has the volume, for as long as it lives.
    pub fn lease_lock(&self) -> PathBuf {
        self.root.join("lease.lock")
    }

    /// What the dashboard keeps; nobody else's to read.
    pub fn dashboard_directory(&self) -> PathBuf {
        self.root.join("dashboard")
    }

    /// What opens the dashboard where no password is configured.
    pub fn dashboard_token(&self) -> PathBuf {
        self.dashboard_directory().join("token")
    }

    /// Who is logged in to the dashboard.
    pub fn dashboard_sessions(&self) -> PathBuf {
        self.dashboard_directory().join("sessions.json")
    }

    /// What the dashboard last said of itself.
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
    fn the_default_profile_lies_at_the_root_and_the_others_under_profiles() {
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
