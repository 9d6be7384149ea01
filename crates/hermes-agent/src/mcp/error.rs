//! Failures of MCP servers.

use std::time::Duration;

/// A failure of a server or of a call. The texts of a server are short and without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum McpError {
    /// The kernel cannot confine the server.
    #[error("this kernel cannot confine it: {0}")]
    NoSandbox(&'static str),
    /// It could not be started or reached.
    #[error("failed to reach it: {0}")]
    Start(String),
    /// It did not answer in time.
    #[error("it did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The connection ended. The text has the cause.
    #[error("{0}")]
    Ended(String),
    /// It broke the protocol.
    #[error("it broke the protocol: {0}")]
    Protocol(String),
    /// It answered with an error.
    #[error("it answered with an error: {0}")]
    Refused(String),
    /// It failed before, and its next start is not due.
    #[error("it failed {failures} times in a row, last because {cause}; it starts again in {} s at the earliest", wait.as_secs())]
    Waits {
        /// The failures.
        failures: u32,
        /// The time.
        wait: Duration,
        /// The last cause.
        cause: String,
    },
}
