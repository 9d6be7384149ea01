//! What `/init` says on stderr, in one form.

use std::fmt;

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

/// An error that ends the boot: the chain of causes, then the hint.
pub(crate) fn fatal(error: &anyhow::Error) {
    let mut causes = error.chain();
    if let Some(first) = causes.next() {
        eprintln!("init: error: {first}");
    }
    for cause in causes {
        eprintln!("init: caused by: {cause}");
    }
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        eprintln!("init: hint: {}", hinted.hint);
    }
}

/// Something that went wrong and that the boot survives.
pub(crate) fn warning(text: impl fmt::Display) {
    eprintln!("init: warning: {text}");
}

/// Progress, shown from `S6_VERBOSITY=3` on.
pub(crate) fn info(verbosity: u8, text: impl fmt::Display) {
    if verbosity >= 3 {
        eprintln!("init: info: {text}");
    }
}
