//! What goes wrong with a service manager.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hermes_core::ProfileName;
use hermes_os::whole_file::WriteError;

use crate::manager::Kind;
use crate::s6::{SlotError, StatusError};
use hermes_os::tool::ToolError;

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
    /// There is none that could do it.
    #[error("{operation} the gateway '{profile}': there is no service manager here")]
    NoServiceManager {
        /// `start`, `stop`, …
        operation: &'static str,
        /// Whose gateway it is.
        profile: ProfileName,
    },
    /// The gateway was never installed, or is no longer: `hermes -p <profile> gateway install` mends it.
    #[error("the gateway '{profile}' is not installed for {manager}")]
    NotInstalled {
        /// Which one does not know it.
        manager: Kind,
        /// Whose gateway it is.
        profile: ProfileName,
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
    /// A unit, an agent: a file that is written whole or not at all.
    #[error("{operation} the gateway '{profile}'")]
    Write {
        /// `install`, …
        operation: &'static str,
        /// Whose gateway it is.
        profile: ProfileName,
        /// The step that failed.
        source: WriteError,
    },
    /// A path for which the files of the service manager have no words.
    #[error("{operation} the gateway '{profile}': the path {path:?} {reason}")]
    Path {
        /// `install`, …
        operation: &'static str,
        /// Whose gateway it is.
        profile: ProfileName,
        /// The path.
        path: PathBuf,
        /// What is wrong with it, as in `the path "…" has a line break`.
        reason: &'static str,
    },
    /// The user's directory, under which the service manager's files lie, is not known.
    #[error("find the files of {manager}: HOME is not an absolute path")]
    NoUserDirectory {
        /// Which one it is.
        manager: Kind,
    },
    /// Its program succeeded and printed something else than what is documented.
    #[error("the state of the gateway '{profile}' is not in what {program} printed: {output:?}")]
    Unexpected {
        /// Whose gateway it is.
        profile: ProfileName,
        /// The program, and what it was asked.
        program: &'static str,
        /// What it printed.
        output: String,
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
