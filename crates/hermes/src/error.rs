//! What the user reads when something fails, and the exit code that goes with it.

use std::error::Error;
use std::process::ExitCode;

/// The exit codes of `hermes`, from sysexits(3) where they are not 0, 1 or 2.
///
/// | code | meaning |
/// | --- | --- |
/// | 0 | done |
/// | 1 | it failed, and the message says what and how to mend it |
/// | 2 | wrong usage (clap's own) |
/// | 69 | no service manager here that can do this |
/// | 73 | a file could not be written |
/// | 77 | permission |
/// | 126, 127 | of a container's command: the program cannot be run, or is not there, as a shell says it |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Failed = 1,
    NoServiceManager = 69,
    CannotWrite = 73,
    NoPermission = 77,
    CannotRun = 126,
    NoSuchProgram = 127,
}

/// A failed command: what happened, what caused it, and how to mend it.
#[derive(Debug)]
pub(crate) struct CommandError {
    exit: Exit,
    what: String,
    source: Option<Box<dyn Error>>,
    hint: Option<String>,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), source: None, hint: None }
    }

    pub(crate) fn caused_by(self, source: impl Error + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    #[cfg(test)]
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Prints it on stderr and gives its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprint!("{}", self.text());
        ExitCode::from(self.exit as u8)
    }

    fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.what);
        let mut cause = self.source.as_deref();
        while let Some(error) = cause {
            text.push_str(&format!("caused by: {error}\n"));
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text
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
        assert_eq!(error.text(), "error: cannot write /x\ncaused by: the disk is full\nhint: make room\n");
    }
}
