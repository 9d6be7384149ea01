//! The few lines that a gateway prints. `s6-log` stamps them with the time.

use std::fmt;
use std::io::{self, Write};

/// A line on stdout. A reader that is gone is no reason to end, as it would be with `println!`.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A line on stderr: something is wrong, and the gateway goes on.
pub(crate) fn warn(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "warning: {line}");
}
