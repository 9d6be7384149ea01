//! The s6 supervision suite: its programs, by absolute path, and its scan directory.

mod scandir;
mod svstat;

pub use scandir::{SCANDIR, Slot, slots};
pub use svstat::{SlotState, svstat};

use std::path::PathBuf;
use std::process::ExitStatus;

/// What goes wrong with s6.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scan directory could not be listed.
    #[error("cannot read {}", .0.display())]
    ReadScandir(PathBuf, #[source] std::io::Error),
    /// A program of s6's could not be started.
    #[error("cannot run {program}")]
    Run {
        /// Its path.
        program: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A program of s6's failed.
    #[error("{command} failed: {status}: {stderr}")]
    Failed {
        /// The whole command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// A program of s6's said something else than it is documented to.
    #[error("{command} said {output:?}, which is not what its documentation promises")]
    Unexpected {
        /// The whole command line.
        command: String,
        /// What it said.
        output: String,
    },
}
