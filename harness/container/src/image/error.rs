//! The failures of a build.

use std::path::PathBuf;

/// A failed step of a build; the source says why.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The engine was asked something and refused, or could not be reached.
    #[error("the Docker engine failed to {doing}")]
    Engine {
        /// The operation of the engine.
        doing: String,
        /// Its answer.
        #[source]
        source: bollard::errors::Error,
    },
    /// A file or directory of ours could not be used.
    #[error("failed to {doing} {}", path.display())]
    File {
        /// The operation on it.
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("failed to start `{command}`")]
    Start {
        /// The program and its arguments.
        command: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("`{command}` ended with {status}{}", tail(stderr))]
    Command {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last of what it said.
        stderr: String,
    },
    /// No registry gives the base image, and it cannot be bootstrapped here.
    #[error(
        "no registry gives {image}, and mmdebstrap is missing, which would make it from Debian's packages; install it: {install}"
    )]
    NoBase {
        /// The base image as a registry knows it.
        image: String,
        /// The command that installs it.
        install: &'static str,
    },
    /// The Dockerfile did not build.
    #[error("the build failed: {message}{}", tail(log))]
    Build {
        /// BuildKit's message.
        message: String,
        /// The last lines of the step that failed.
        log: String,
    },
    /// A line of the ignore file is not understood.
    #[error(
        ".dockerignore, line {line}: {pattern:?} is more than this reads (plain paths, `*` as a whole name, a leading `**/`)"
    )]
    IgnorePattern {
        /// Counted from 1.
        line: usize,
        /// The pattern as written.
        pattern: String,
    },
}

/// A program's last words, on lines of their own.
fn tail(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() { String::new() } else { format!(":\n{text}") }
}

/// Names what the engine was doing when it failed.
pub trait Doing<T> {
    /// `what` reads after "the Docker engine failed to".
    fn doing(self, what: impl Into<String>) -> Result<T, ImageError>;
}

impl<T> Doing<T> for Result<T, bollard::errors::Error> {
    fn doing(self, what: impl Into<String>) -> Result<T, ImageError> {
        self.map_err(|source| ImageError::Engine { doing: what.into(), source })
    }
}
