//! The lines that an operation has to say while it works.

use crate::report::Report;

/// Takes the lines of an operation. The commands print them.
pub trait Progress: Send + Sync {
    /// Takes a step that is done.
    fn say(&self, line: &str);

    /// Takes a warning, or the reason of a wait.
    fn note(&self, line: &str);

    /// Takes a failure that does not end the operation.
    fn failed(&self, report: &Report);
}

/// Drops all lines.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Silent;

impl Progress for Silent {
    fn say(&self, _line: &str) {}

    fn note(&self, _line: &str) {}

    fn failed(&self, _report: &Report) {}
}
