//! The one error type that a person reads: of the commands, and of the dashboard.

mod from_errors;

use std::error::Error;

use serde::Serialize;

pub use from_errors::{MOUNT_READ_WRITE, hint_for, is_read_only, selecting};
pub(crate) use from_errors::{must_not_be_mounted, no_such_gateway, occupied};

/// The kind of a failure. The program maps it to an exit code, the dashboard to an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// The operation failed, and the message says why.
    Failed,
    /// No service manager here can do this.
    Unsupported,
    /// A file could not be written.
    CannotWrite,
    /// The operation may succeed later: something is busy, locked, or was not ready in time.
    TryAgain,
    /// The account lacks a permission.
    NoPermission,
    /// The configuration is invalid.
    Configuration,
    /// The program of a container's command cannot be run.
    CannotRun,
    /// The program of a container's command does not exist.
    NoSuchProgram,
    /// The profile, or the page, does not exist.
    NotFound,
    /// The state is no longer, or not yet, the one that the request assumes.
    Conflict,
    /// A name or a value breaks its rule.
    Invalid,
    /// The request is malformed.
    BadRequest,
    /// The request carries no valid credential.
    Unauthenticated,
    /// The request did not come from a page of this dashboard.
    Forbidden,
    /// The request did not arrive in time.
    TooSlow,
    /// The request is too long.
    TooLarge,
    /// The request names a host that this dashboard does not answer to.
    WrongHost,
    /// There were too many attempts to log in.
    TooManyAttempts,
}

/// A failure: what happened, what caused it, and how it is corrected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Report {
    /// The kind, for a program.
    pub kind: ReportKind,
    /// The event: one clause.
    #[serde(rename = "error")]
    pub what: String,
    /// The causes, from the nearest to the deepest.
    pub causes: Vec<String>,
    /// The last lines of the gateway's log, if they say more than the causes.
    pub log: Vec<String>,
    /// How it is corrected.
    pub hint: Option<String>,
}

impl Report {
    /// A failure without causes.
    pub fn new(kind: ReportKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), causes: Vec::new(), log: Vec::new(), hint: None }
    }

    /// Adds a cause, and the causes of that.
    #[must_use]
    pub fn caused_by(self, source: impl Error + 'static) -> Self {
        self.because(&source)
    }

    /// Adds a cause, and the causes of that.
    #[must_use]
    pub fn because(mut self, source: &(dyn Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(source), |&error| error.source());
        self.causes.extend(causes.map(ToString::to_string));
        self
    }

    /// Adds a cause that is a text.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Sets the lines of the log.
    #[must_use]
    pub fn log(self, lines: Vec<String>) -> Self {
        Self { log: lines, ..self }
    }

    /// Returns the event and its causes on one line.
    pub fn one_line(&self) -> String {
        std::iter::once(&self.what).chain(&self.causes).map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// Returns the lines that a person reads: `error: …`, `caused by: …`, `log: …`, `hint: …`.
    pub fn lines(&self) -> Vec<String> {
        let causes = self.causes.iter().map(|cause| format!("caused by: {cause}"));
        let log = self.log.iter().map(|line| format!("log: {line}"));
        let hint = self.hint.iter().map(|hint| format!("hint: {hint}"));
        std::iter::once(format!("error: {}", self.what)).chain(causes).chain(log).chain(hint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_prints_error_causes_and_hint() {
        let cause = std::io::Error::other("the disk is full");
        let error =
            Report::new(ReportKind::CannotWrite, "failed to write /x").caused_by(cause).hint("make room");
        assert_eq!(
            error.lines(),
            ["error: failed to write /x", "caused by: the disk is full", "hint: make room"]
        );
    }
}
