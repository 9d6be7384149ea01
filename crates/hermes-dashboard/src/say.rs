//! The few lines that the dashboard prints. In a container they are in its log, among those of others.

use std::fmt;
use std::io::{self, Write};

/// A line on stdout. A reader that is gone is no reason to end, as it would be with `println!`.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "dashboard: {line}");
}

/// A line on stderr: something is wrong, and the dashboard goes on.
pub(crate) fn warn(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "dashboard: warning: {line}");
}
