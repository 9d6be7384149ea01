//! The messages of `/init` on standard error, in one form.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

/// The exit code if the container cannot start: `EX_CONFIG` of sysexits(3).
pub(crate) const EX_CONFIG: u8 = 78;

/// An error message with a hint for the user.
#[derive(Debug)]
pub(crate) struct Report {
    what: String,
    hint: String,
}

impl Report {
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Report {}

/// Prints one line. Ignores a standard error that is closed or full.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "init: {text}");
}

/// Prints an error that ends the boot: the chain of causes, then the hint.
pub(crate) fn fatal(error: &anyhow::Error) {
    let mut causes = error.chain();
    if let Some(first) = causes.next() {
        line(format_args!("error: {first}"));
    }
    for cause in causes {
        line(format_args!("caused by: {cause}"));
    }
    if let Some(report) = error.downcast_ref::<Report>() {
        line(format_args!("hint: {}", report.hint));
    }
}

/// The value of `S6_VERBOSITY`, for the whole process.
static VERBOSITY: AtomicU8 = AtomicU8::new(2);

/// Sets the verbosity: 0 and 1 print errors only, 2 adds warnings, 3 and more add each step.
pub(crate) fn set_verbosity(verbosity: u8) {
    VERBOSITY.store(verbosity, Ordering::Relaxed);
}

/// Prints a problem that does not end the boot.
pub(crate) fn warning(text: impl fmt::Display) {
    if VERBOSITY.load(Ordering::Relaxed) >= 2 {
        line(format_args!("warning: {text}"));
    }
}

/// Prints a step of the boot.
pub(crate) fn info(text: impl fmt::Display) {
    if VERBOSITY.load(Ordering::Relaxed) >= 3 {
        line(format_args!("info: {text}"));
    }
}
