//! What every service manager can do for a gateway, and what only some can.

use std::fmt;
use std::time::Duration;

use hermes_core::ProfileName;
use serde::Serialize;

use crate::error::ServiceError;

pub(crate) mod readiness;

/// Which service manager it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `s6-svscan` in a container of the hermes image.
    S6,
    /// The systemd of a user's session.
    Systemd,
    /// macOS's launchd, as the user's agent.
    Launchd,
    /// There is none.
    None,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::S6 => "s6 (container supervisor)",
            Self::Systemd => "systemd (user units)",
            Self::Launchd => "launchd (user agents)",
            Self::None => "none",
        })
    }
}

/// How long an operation may take until what it asks for is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It returns when the order is given.
    No,
    /// It returns when the gateway is ready, or down; an error when that takes longer.
    AtMost(Duration),
}

impl Wait {
    /// The time, where there is one.
    pub(crate) fn limit(self) -> Option<Duration> {
        match self {
            Self::No => None,
            Self::AtMost(limit) => Some(limit),
        }
    }
}

/// A gateway as its service manager sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// The process runs.
    pub up: bool,
    /// It said that it is ready. Where the service manager cannot know, this is `up`.
    pub ready: bool,
    /// The service manager means to have it up.
    pub wanted_up: bool,
    /// Its PID while it is up.
    pub pid: Option<u32>,
    /// For how long it has been up, or down, where that is known. Seconds in JSON.
    #[serde(rename = "for_seconds", serialize_with = "as_seconds")]
    pub since: Option<Duration>,
    /// How often it was started again after it ended by itself, since the operator last started it.
    pub restarts: u64,
    /// How long ago each restart within the last hour was, oldest first; none where the service manager cannot know.
    #[serde(skip)]
    pub restarted_ago: Vec<Duration>,
    /// Why the service manager has given it up, if it has.
    pub gave_up: Option<String>,
    /// The line in the gateway's log with which the service manager gave it up, if it writes one.
    #[serde(skip)]
    pub last_words: Option<String>,
    /// It ended and is about to be started, and nothing says that it crashed: so it is for a moment when it is restarted.
    #[serde(skip)]
    pub comes_back: bool,
}

fn as_seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs()).serialize(serializer)
}

/// Who runs the gateways of this machine.
pub trait ServiceManager: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> Kind;

    /// Starts the gateway of `profile`; one that runs is left alone. Whether it then starts by itself after a restart of the
    /// machine is the profile's state file's affair, not this method's.
    ///
    /// # Errors
    /// It cannot be started, or is not ready in time.
    fn start(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError>;

    /// Stops the gateway of `profile`; one that is down is left alone.
    ///
    /// # Errors
    /// It cannot be stopped, or is not down in time.
    fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError>;

    /// Stops the gateway of `profile` and starts it again; one that is down is started.
    ///
    /// # Errors
    /// It cannot be restarted, or is not ready in time.
    fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError>;

    /// Whether the process of the gateway runs.
    ///
    /// # Errors
    /// The service manager does not tell.
    fn is_running(&self, profile: &ProfileName) -> Result<bool, ServiceError> {
        Ok(self.status(profile)?.is_some_and(|status| status.up))
    }

    /// The gateway of `profile` as the service manager sees it; nothing when it does not know it.
    ///
    /// # Errors
    /// The service manager does not tell.
    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError>;

    /// Makes the service manager know the gateway of `profile`, for good: units, agents.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`] where profiles need no installation; else what failed.
    fn install(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let _ = profile;
        Err(ServiceError::unsupported(self.kind(), "install"))
    }

    /// Takes back what [`install`](Self::install) did; nothing to do for a gateway that is not installed.
    ///
    /// # Errors
    /// As for [`install`](Self::install).
    fn uninstall(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let _ = profile;
        Err(ServiceError::unsupported(self.kind(), "uninstall"))
    }

    /// Whether gateways can be registered and unregistered while the service manager runs.
    fn supports_runtime_registration(&self) -> bool {
        false
    }

    /// Makes the service manager supervise the gateway of `profile`, up or down as its state file wants it after a boot. One
    /// that is registered is left alone.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`]; else what failed: then nothing of it is left.
    fn register_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let _ = profile;
        Err(ServiceError::unsupported(self.kind(), "register a gateway"))
    }

    /// Stops the gateway of `profile`, and leaves nothing of it supervised. One that is not registered is no error.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`]; else what failed.
    fn unregister_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let _ = profile;
        Err(ServiceError::unsupported(self.kind(), "unregister a gateway"))
    }

    /// The profiles whose gateways are registered, by name.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`]; else what failed.
    fn list_profile_gateways(&self) -> Result<Vec<ProfileName>, ServiceError> {
        Err(ServiceError::unsupported(self.kind(), "list the gateways"))
    }
}
