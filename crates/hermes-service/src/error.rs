//! The errors of the service managers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hermes_core::ProfileName;
use hermes_os::tool::ToolError;
use hermes_os::whole_file::WriteError;

use crate::kind::Kind;
use crate::s6::{SlotError, StatusError};

/// The reason why an operation on a gateway failed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The service manager does not support the operation.
    #[error("failed to {operation}: {manager} does not support that")]
    Unsupported {
        /// The service manager.
        manager: Kind,
        /// The operation.
        operation: &'static str,
    },
    /// There is no service manager.
    #[error("failed to {operation} the gateway '{profile}': there is no service manager here")]
    NoServiceManager {
        /// `start`, `stop`, …
        operation: &'static str,
        /// The profile of the gateway.
        profile: ProfileName,
    },
    /// The gateway is not installed. `hermes -p <profile> gateway install` installs it.
    #[error("the gateway '{profile}' is not installed for {manager}")]
    NotInstalled {
        /// The service manager.
        manager: Kind,
        /// The profile of the gateway.
        profile: ProfileName,
    },
    /// The service manager does not know the gateway.
    #[error("no such gateway '{profile}'")]
    NoSuchGateway {
        /// The profile of the gateway.
        profile: ProfileName,
    },
    /// A program of the service manager failed.
    #[error("failed to {operation} the gateway '{profile}'")]
    Tool {
        /// `start`, `stop`, …
        operation: &'static str,
        /// The profile of the gateway.
        profile: ProfileName,
        /// The error of the call.
        source: ToolError,
    },
    /// A file or directory of the service manager could not be used.
    #[error("failed to {operation} the gateway '{profile}': {}", path.display())]
    File {
        /// `register`, `install`, …
        operation: &'static str,
        /// The profile of the gateway.
        profile: ProfileName,
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The slot could not be made, locked or removed.
    #[error("failed to {operation} the gateway '{profile}'")]
    Slot {
        /// `register`, `unregister`.
        operation: &'static str,
        /// The profile of the gateway.
        profile: ProfileName,
        /// The step that failed.
        source: SlotError,
    },
    /// The state of the slot could not be read.
    #[error("failed to read the state of the gateway '{profile}'")]
    Status {
        /// The profile of the gateway.
        profile: ProfileName,
        /// The reason.
        source: StatusError,
    },
    /// A unit or an agent could not be written.
    #[error("failed to {operation} the gateway '{profile}'")]
    Write {
        /// `install`, …
        operation: &'static str,
        /// The profile of the gateway.
        profile: ProfileName,
        /// The step that failed.
        source: WriteError,
    },
    /// The files of the service manager cannot hold a path.
    #[error("failed to {operation} the gateway '{profile}': the path {path:?} {reason}")]
    Path {
        /// `install`, …
        operation: &'static str,
        /// The profile of the gateway.
        profile: ProfileName,
        /// The path.
        path: PathBuf,
        /// The reason, as in `the path "…" has a line break`.
        reason: &'static str,
    },
    /// The directory for the service manager's files is unknown.
    #[error("failed to find the files of {manager}: HOME is not an absolute path")]
    NoUserDirectory {
        /// The service manager.
        manager: Kind,
    },
    /// A program of the service manager succeeded, but its output has an unknown format.
    #[error("the state of the gateway '{profile}' is not in what {program} printed: {output:?}")]
    Unexpected {
        /// The profile of the gateway.
        profile: ProfileName,
        /// The program and its verb.
        program: &'static str,
        /// The output.
        output: String,
    },
    /// The gateway did not reach the awaited state in time.
    #[error("the gateway '{profile}' is not {awaited} after {}", humantime::format_duration(*limit))]
    TimedOut {
        /// The profile of the gateway.
        profile: ProfileName,
        /// `ready` or `down`.
        awaited: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// The gateway was started and will not become ready.
    #[error("the gateway '{profile}' does not come up: {reason}")]
    GaveUp {
        /// The profile of the gateway.
        profile: ProfileName,
        /// The reason in words.
        reason: String,
    },
    /// The gateways could not be listed.
    #[error("failed to list the gateways in {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

/// An operation on the gateway of a profile, which the errors of its steps name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'p> {
    /// `start`, `stop`, …
    pub(crate) operation: &'static str,
    /// The profile of the gateway.
    pub(crate) profile: &'p ProfileName,
}

impl<'p> Task<'p> {
    pub(crate) fn new(operation: &'static str, profile: &'p ProfileName) -> Self {
        Self { operation, profile }
    }

    /// Returns the error of a program of the service manager.
    pub(crate) fn tool_failed(self, source: ToolError) -> ServiceError {
        ServiceError::Tool { operation: self.operation, profile: self.profile.clone(), source }
    }

    /// Returns the error of a call for the file or directory `path`.
    pub(crate) fn file_failed(self, path: &Path) -> impl FnOnce(io::Error) -> ServiceError {
        let (operation, profile, path) = (self.operation, self.profile.clone(), path.to_owned());
        move |source| ServiceError::File { operation, profile, path, source }
    }

    /// Returns the error of a unit or an agent that could not be written.
    pub(crate) fn write_failed(self, source: WriteError) -> ServiceError {
        ServiceError::Write { operation: self.operation, profile: self.profile.clone(), source }
    }

    /// Returns the error of a slot that could not be made, locked or removed.
    pub(crate) fn slot_failed(self, source: SlotError) -> ServiceError {
        ServiceError::Slot { operation: self.operation, profile: self.profile.clone(), source }
    }
}

impl ServiceError {
    pub(crate) fn unsupported(manager: Kind, operation: &'static str) -> Self {
        Self::Unsupported { manager, operation }
    }
}
