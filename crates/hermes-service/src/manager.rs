//! The trait of the service managers, with its types. Only some backends support all operations.

use std::time::Duration;

use hermes_core::ProfileName;
use serde::Serialize;

use crate::error::ServiceError;
use crate::kind::Kind;

pub(crate) mod readiness;

/// The time that an operation waits for its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The operation returns after the order.
    No,
    /// The operation waits until the gateway is ready or stopped, and fails after this time.
    AtMost(Duration),
}

impl Wait {
    /// Returns the time limit, if there is one.
    pub(crate) fn limit(self) -> Option<Duration> {
        match self {
            Self::No => None,
            Self::AtMost(limit) => Some(limit),
        }
    }
}

/// The status of a gateway in its service manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// The process runs.
    pub up: bool,
    /// The gateway reported readiness. Equals `up` if the service manager cannot know.
    pub ready: bool,
    /// The service manager is to run the gateway.
    pub desired_up: bool,
    /// The PID of the running process.
    pub pid: Option<u32>,
    /// The time since the last start or stop, if known. In seconds in JSON.
    #[serde(rename = "for_seconds", serialize_with = "as_seconds")]
    pub since: Option<Duration>,
    /// The number of restarts after a crash since the operator last started the gateway.
    pub restarts: u64,
    /// The time since each restart of the last hour, oldest first. Empty if the service manager cannot know.
    #[serde(skip)]
    pub restarted_ago: Vec<Duration>,
    /// The reason why the service manager gave the gateway up, if it did.
    pub gave_up: Option<String>,
    /// The line in the gateway's log with which the service manager gave it up, if it writes one.
    #[serde(skip)]
    pub last_words: Option<String>,
    /// The process ended without a crash and is about to start, as during a restart.
    #[serde(skip)]
    pub comes_back: bool,
}

fn as_seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs()).serialize(serializer)
}

/// A service manager that runs the gateways of this machine.
pub trait ServiceManager: Send + Sync {
    /// Returns the kind of the service manager.
    fn kind(&self) -> Kind;

    /// Starts the gateway of `profile`. Does nothing if it runs. The desired state in the state file, and not
    /// this method, decides about a start at the next boot.
    ///
    /// # Errors
    /// Fails if the gateway cannot be started, or is not ready in time.
    fn start(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError>;

    /// Stops the gateway of `profile`. Does nothing if it is stopped.
    ///
    /// # Errors
    /// Fails if the gateway cannot be stopped, or does not end in time.
    fn stop(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError>;

    /// Restarts the gateway of `profile`, or starts it if it is stopped.
    ///
    /// # Errors
    /// Fails if the gateway cannot be restarted, or is not ready in time.
    fn restart(&self, profile: &ProfileName, wait: Wait) -> Result<(), ServiceError>;

    /// Returns `true` if the process of the gateway runs.
    ///
    /// # Errors
    /// Fails as [`status`](Self::status) does.
    fn is_running(&self, profile: &ProfileName) -> Result<bool, ServiceError> {
        Ok(self.status(profile)?.is_some_and(|status| status.up))
    }

    /// Returns the status of the gateway of `profile`; `None` if the service manager does not know it.
    ///
    /// # Errors
    /// Fails if the service manager does not report the status.
    fn status(&self, profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError>;

    /// Installs a permanent unit or agent for the gateway of `profile`.
    ///
    /// # Errors
    /// Fails with [`ServiceError::Unsupported`] if profiles need no installation, and if a step fails.
    fn install(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let _ = profile;
        Err(ServiceError::unsupported(self.kind(), "install a gateway"))
    }

    /// Removes the unit or agent of [`install`](Self::install). Succeeds if there is none.
    ///
    /// # Errors
    /// Fails as [`install`](Self::install) does.
    fn uninstall(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let _ = profile;
        Err(ServiceError::unsupported(self.kind(), "uninstall a gateway"))
    }

    /// Returns `true` if gateways can be registered and unregistered while the service manager runs.
    fn supports_runtime_registration(&self) -> bool {
        false
    }

    /// Registers the gateway of `profile`. The desired state in its state file decides if it starts. Does
    /// nothing if it is registered.
    ///
    /// # Errors
    /// Fails with [`ServiceError::Unsupported`], and if a step fails. A failure leaves no part of the slot.
    fn register_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let _ = profile;
        Err(ServiceError::unsupported(self.kind(), "register a gateway"))
    }

    /// Stops the gateway of `profile` and ends its supervision. Succeeds if it is not registered.
    ///
    /// # Errors
    /// Fails with [`ServiceError::Unsupported`], and if a step fails.
    fn unregister_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        let _ = profile;
        Err(ServiceError::unsupported(self.kind(), "unregister a gateway"))
    }

    /// Returns the profiles of the registered gateways, by name.
    ///
    /// # Errors
    /// Fails with [`ServiceError::Unsupported`], and if a step fails.
    fn list_profile_gateways(&self) -> Result<Vec<ProfileName>, ServiceError> {
        Err(ServiceError::unsupported(self.kind(), "list the gateways"))
    }
}
