//! The lines that the dashboard prints. In a container they are part of its log.

use std::fmt;
use std::io::{self, Write};

/// Prints a line on stdout. Unlike `println!` it does not panic if the reader is gone.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "dashboard: {line}");
}

/// Prints a warning on stderr. The dashboard continues.
pub(crate) fn warn(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "dashboard: warning: {line}");
}
