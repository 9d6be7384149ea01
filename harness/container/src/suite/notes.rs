//! Notes what libtest's events do not tell, in the file that `PREFIX_TEST_NOTES` names: how long each test took (`took <microseconds> <name>`), and why one was not run (`not-run <name> <reason>`).

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::product::product;

/// How long a test took.
pub(super) fn took(name: &str, took: Duration) {
    note(&format!("took {} {name}", took.as_micros()));
}

/// Why a test was not run.
pub(super) fn not_run(name: &str, reason: &str) {
    note(&format!("not-run {name} {}", reason.replace('\n', " ")));
}

/// Appends one line, in one write: tests end on several threads.
fn note(line: &str) {
    let Some(path) = product().setting("TEST_NOTES").map(PathBuf::from) else { return };
    let written = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    if let Err(error) = written {
        eprintln!("harness: failed to write {}: {error}", path.display());
    }
}
