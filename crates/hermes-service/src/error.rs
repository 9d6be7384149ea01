//! What goes wrong with a service manager.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hermes_core::ProfileName;

use crate::manager::Kind;
use crate::s6::{SlotError, StatusError};
use crate::tool::ToolError;

/// Why a service manager did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// This service manager never can.
    #[error("{operation}: the service manager here, {manager}, does not do that")]
    Unsupported {
        /// Which one it is.
        manager: Kind,
        /// What was asked of it.
        operation: &'static str,
    },
    /// The service manager does not know the gateway.
    #[error("no such gateway '{profile}'")]
    NoSuchGateway {
        /// Whose gateway it is.
        profile: ProfileName,
    },
    /// One of its programs.
    #[error("{operation} the gateway '{profile}'")]
    Tool {
        /// `start`, `stop`, …
        operation: &'static str,
        /// Whose gateway it is.
        profile: ProfileName,
        /// The call that failed.
        source: ToolError,
    },
    /// A file or directory that the service manager reads.
    #[error("{operation} the gateway '{profile}': {}", path.display())]
    File {
        /// `register`, `install`, …
        operation: &'static str,
        /// Whose gateway it is.
        profile: ProfileName,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its slot.
    #[error("{operation} the gateway '{profile}'")]
    Slot {
        /// `register`, `unregister`.
        operation: &'static str,
        /// Whose gateway it is.
        profile: ProfileName,
        /// The step that failed.
        source: SlotError,
    },
    /// The state of a gateway's slot.
    #[error("look at the gateway '{profile}'")]
    Status {
        /// Whose gateway it is.
        profile: ProfileName,
        /// What was read.
        source: StatusError,
    },
    /// It was not ready, or not down, in time.
    #[error("the gateway '{profile}' is not {awaited} after {}", humantime::format_duration(*limit))]
    TimedOut {
        /// Whose gateway it is.
        profile: ProfileName,
        /// `ready` or `down`.
        awaited: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// It was started and will not come up.
    #[error("the gateway '{profile}' does not come up: {reason}")]
    GaveUp {
        /// Whose gateway it is.
        profile: ProfileName,
        /// Why, in words.
        reason: String,
    },
    /// Something that lists all of them.
    #[error("list the gateways in {}", path.display())]
    List {
        /// Where it looked.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ServiceError {
    pub(crate) fn unsupported(manager: Kind, operation: &'static str) -> Self {
        Self::Unsupported { manager, operation }
    }
}

impl SlotError {
    /// What it means for an operation on the gateway of `profile`.
    pub(crate) fn of(self, operation: &'static str, profile: &ProfileName) -> ServiceError {
        ServiceError::Slot { operation, profile: profile.clone(), source: self }
    }
}
