//! The few lines that a gateway prints. `s6-log` stamps them with the time.

use std::error::Error;
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

/// The error and what led to it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
