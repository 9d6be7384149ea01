//! What `/init` says on stderr, in one form.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

/// The exit code of a boot that has no point: `EX_CONFIG` of sysexits(3).
pub(crate) const EX_CONFIG: u8 = 78;

/// An error together with the way to mend it.
#[derive(Debug)]
pub(crate) struct Hinted {
    what: String,
    hint: String,
}

impl Hinted {
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Hinted {}

/// Prints one line. Standard error that is closed or full ends nothing.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "init: {text}");
}

/// An error that ends the boot: the chain of causes, then the hint.
pub(crate) fn fatal(error: &anyhow::Error) {
    let mut causes = error.chain();
    if let Some(first) = causes.next() {
        line(format_args!("error: {first}"));
    }
    for cause in causes {
        line(format_args!("caused by: {cause}"));
    }
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        line(format_args!("hint: {}", hinted.hint));
    }
}

/// `S6_VERBOSITY`, for the whole process.
static VERBOSITY: AtomicU8 = AtomicU8::new(2);

/// From now on: 0 and 1 say errors only, 2 warnings too, 3 and more each step.
pub(crate) fn set_verbosity(verbosity: u8) {
    VERBOSITY.store(verbosity, Ordering::Relaxed);
}

/// Something that went wrong and that the boot survives.
pub(crate) fn warning(text: impl fmt::Display) {
    if VERBOSITY.load(Ordering::Relaxed) >= 2 {
        line(format_args!("warning: {text}"));
    }
}

/// Progress.
pub(crate) fn info(text: impl fmt::Display) {
    if VERBOSITY.load(Ordering::Relaxed) >= 3 {
        line(format_args!("info: {text}"));
    }
}
