//! The failures of the harness: one variant per kind, each with the operation and its object.

use std::time::Duration;

use crate::engine::NoDocker;
use crate::suite::NotRun;

/// Any error, as probes and tests hand it over.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The result of the harness's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the harness, or of the container that it looks at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no engine to talk to.
    #[error(transparent)]
    NoDocker(#[from] NoDocker),

    /// The engine refused a request or broke off.
    #[error("failed to {operation}")]
    Engine {
        /// Verb and object: "start container x".
        operation: String,
        /// The engine's answer.
        #[source]
        source: Box<bollard::errors::Error>,
    },

    /// `PREFIX_TEST_IMAGE` (or the caller) names an image that the engine does not have.
    #[error("no such image {image:?} in this engine{hint}")]
    NoSuchImage {
        /// The name as it was given.
        image: String,
        /// The origin of the name and a remedy, or nothing.
        hint: String,
    },

    /// The image under test could not be built.
    #[error("failed to build the image under test")]
    Build(#[source] BoxError),

    /// The container ended while something was expected of it.
    #[error("container {container} died (exit code {exit_code}) while {waiting_for}; its log:\n{log}")]
    Died {
        /// Name of the container.
        container: String,
        /// Its exit code, or -1 when the engine does not know.
        exit_code: i64,
        /// The condition of the wait.
        waiting_for: String,
        /// The end of its log.
        log: String,
    },

    /// A deadline passed.
    #[error("{waiting_for}: not within {}; last seen: {last_seen}", seconds(*after))]
    Deadline {
        /// The condition of the wait.
        waiting_for: String,
        /// The deadline.
        after: Duration,
        /// The result of the last look.
        last_seen: String,
    },

    /// A probe saw that what it waits for can no longer come.
    #[error("{waiting_for}: will never be: {why}")]
    Never {
        /// The condition of the wait.
        waiting_for: String,
        /// Why not.
        why: String,
    },

    /// A probe failed to look.
    #[error("failed to look for {waiting_for}")]
    Probe {
        /// The condition of the wait.
        waiting_for: String,
        /// Why the look failed.
        #[source]
        source: BoxError,
    },

    /// A command inside the container, which a probe depends on, failed.
    #[error("{0}")]
    Command(String),

    /// Something inside the container does not read as it should.
    #[error("failed to read {what}: {why}; it was:\n{text}")]
    Parse {
        /// The expected content.
        what: String,
        /// The fault in it.
        why: String,
        /// The text.
        text: String,
    },

    /// The test cannot run here: see [`not_run`](crate::suite::not_run).
    #[error("not run")]
    NotRun(#[source] NotRun),

    /// A file of the harness itself could not be read or written.
    #[error("failed to {operation}")]
    File {
        /// Verb and path.
        operation: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Wraps an engine error with what was being done.
    pub(crate) fn engine(operation: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Error {
        let operation = operation.into();
        move |source| Error::Engine { operation, source: Box::new(source) }
    }

    /// Wraps a file error with what was being done.
    pub fn file(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let operation = operation.into();
        move |source| Error::File { operation, source }
    }

    /// The HTTP status with which the engine refused, when it did.
    pub fn engine_status(&self) -> Option<u16> {
        match self {
            Error::Engine { source, .. } => status_of(source),
            _ => None,
        }
    }
}

/// The HTTP status in an engine error, when the engine answered at all.
pub(crate) fn status_of(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// An error and its causes, one a line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str("\ncaused by: ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// A duration as people say it.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        let text = format!("{:.1}", duration.as_secs_f64());
        format!("{} s", text.trim_end_matches(".0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_names_what_was_seen_last() {
        let error = Error::Deadline {
            waiting_for: "slot x up".into(),
            after: Duration::from_secs(3),
            last_seen: "down".into(),
        };
        assert_eq!(error.to_string(), "slot x up: not within 3 s; last seen: down");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(seconds(Duration::from_millis(250)), "250 ms");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
    }
}
