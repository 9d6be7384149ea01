//! Notes how long each test took in the file that `HERMES_TEST_TIMES` names: libtest's events carry
//! no times, and `docker-test` shows them.

use std::io::Write as _;
use std::time::Duration;

/// The variable that names the file.
const TIMES_VARIABLE: &str = "HERMES_TEST_TIMES";

/// Appends one line, `<microseconds> <name>`, in one write: tests end on several threads.
pub(super) fn note(name: &str, took: Duration) {
    let Some(path) = std::env::var_os(TIMES_VARIABLE) else { return };
    let line = format!("{} {name}\n", took.as_micros());
    let written = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        eprintln!("harness: failed to write {}: {error}", path.display());
    }
}
