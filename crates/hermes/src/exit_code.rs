//! The exit codes of `hermes`, and the print of a failure.

use std::process::ExitCode;

use hermes_operations::{Report, ReportKind};

use crate::output::note;

/// Returns the exit code of a failure: from sysexits(3) if it is not 0, 1 or 2.
///
/// | code | meaning |
/// | --- | --- |
/// | 0 | done |
/// | 1 | failed; the message says why, and how it is corrected |
/// | 2 | wrong usage (clap's own) |
/// | 69 | no service manager here can do this |
/// | 73 | a file could not be written |
/// | 75 | not now, try again: busy, locked, timed out |
/// | 77 | permission |
/// | 78 | configuration |
/// | 126, 127 | of a container's command: the program cannot be run, or does not exist, as a shell says it |
fn of(kind: ReportKind) -> u8 {
    match kind {
        ReportKind::Unsupported => 69,
        ReportKind::CannotWrite => 73,
        ReportKind::TryAgain => 75,
        ReportKind::NoPermission => 77,
        ReportKind::Configuration => 78,
        ReportKind::CannotRun => 126,
        ReportKind::NoSuchProgram => 127,
        ReportKind::Failed
        | ReportKind::NotFound
        | ReportKind::Conflict
        | ReportKind::Invalid
        // The kinds below are of requests to the dashboard.
        | ReportKind::BadRequest
        | ReportKind::Unauthenticated
        | ReportKind::Forbidden
        | ReportKind::TooSlow
        | ReportKind::TooLarge
        | ReportKind::WrongHost
        | ReportKind::TooManyAttempts => 1,
    }
}

/// The print of a failure.
pub(crate) trait Print {
    /// Prints the failure on standard error, and returns its exit code.
    fn print(&self) -> ExitCode;
}

impl Print for Report {
    fn print(&self) -> ExitCode {
        for line in self.lines() {
            note!("{line}");
        }
        ExitCode::from(of(self.kind))
    }
}
