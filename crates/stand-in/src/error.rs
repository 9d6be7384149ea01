//! The errors of the server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A failure to start the server or to read its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is in use, or not one of this machine.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The thread of a server could not start.
    #[error("failed to start the server's thread")]
    Thread(#[source] io::Error),
    /// A file or directory could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The log could not be opened.
    #[error("failed to open log {}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A script is no JSON, or has an unknown field.
    #[error("failed to parse the script")]
    Script(#[source] serde_json::Error),
    /// A step of a script has fields that do not fit together.
    #[error("failed to use step {step} of the script: {reason}")]
    Step {
        /// The number of the step, from 1.
        step: usize,
        /// A clause.
        reason: String,
    },
    /// A recorded exchange has another format.
    #[error("failed to parse recording {}, line {line}: {reason}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// A clause.
        reason: String,
    },
}
