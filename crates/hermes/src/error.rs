//! What the user reads when something fails, and the exit code that goes with it.

use std::error::Error;
use std::process::ExitCode;

use crate::output::note;

/// The exit codes of `hermes`, from sysexits(3) where they are not 0, 1 or 2.
///
/// | code | meaning |
/// | --- | --- |
/// | 0 | done |
/// | 1 | it failed, and the message says what and how to mend it |
/// | 2 | wrong usage (clap's own) |
/// | 69 | no service manager here that can do this |
/// | 73 | a file could not be written |
/// | 75 | not now, try again: busy, locked, timed out |
/// | 77 | permission |
/// | 78 | configuration |
/// | 126, 127 | of a container's command: the program cannot be run, or is not there, as a shell says it |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Failed = 1,
    NoServiceManager = 69,
    CannotWrite = 73,
    TryAgain = 75,
    NoPermission = 77,
    Configuration = 78,
    CannotRun = 126,
    NoSuchProgram = 127,
}

/// A failed command: what happened, what caused it, and how to mend it.
#[derive(Debug)]
pub(crate) struct CommandError {
    exit: Exit,
    what: String,
    /// From the nearest to the deepest.
    causes: Vec<String>,
    /// What a log said last, where that tells more.
    log: Vec<String>,
    hint: Option<String>,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), causes: Vec::new(), log: Vec::new(), hint: None }
    }

    pub(crate) fn caused_by(self, source: impl Error + 'static) -> Self {
        self.because(&source)
    }

    /// The cause, and what caused that.
    pub(crate) fn because(self, source: &(dyn Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(source), |&error| error.source());
        Self { causes: causes.map(ToString::to_string).collect(), ..self }
    }

    /// A cause that somebody has written down.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The last lines of a log, which tell what the error cannot.
    pub(crate) fn log(self, lines: Vec<String>) -> Self {
        Self { log: lines, ..self }
    }

    /// What happened, and nothing of why.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Why, from the nearest cause to the deepest.
    pub(crate) fn causes(&self) -> &[String] {
        &self.causes
    }

    /// What a log said last.
    pub(crate) fn log_lines(&self) -> &[String] {
        &self.log
    }

    /// How it is mended.
    pub(crate) fn mend(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Prints it on stderr and gives its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        for line in self.lines() {
            note!("{line}");
        }
        ExitCode::from(self.exit as u8)
    }

    fn lines(&self) -> Vec<String> {
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
    fn the_user_reads_what_happened_why_and_what_to_do() {
        let cause = std::io::Error::other("the disk is full");
        let error =
            CommandError::new(Exit::CannotWrite, "cannot write /x").caused_by(cause).hint("make room");
        assert_eq!(
            error.lines(),
            ["error: cannot write /x", "caused by: the disk is full", "hint: make room"]
        );
    }
}
