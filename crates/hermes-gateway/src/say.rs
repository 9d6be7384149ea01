//! The lines that a gateway prints. `s6-log` adds the time.

use std::fmt;
use std::io::{self, Write};

/// Prints a line on stdout. Unlike `println!` it does not panic if the reader is gone.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a warning on stderr. The gateway continues.
pub(crate) fn warn(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "warning: {line}");
}
