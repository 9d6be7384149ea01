//! The key of a model server, from a file or from the standard input.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use hermes_agent::settings::Secret;
use hermes_operations::{Report, ReportKind};

use super::terminal::{Console, Hidden, Terminal as _};

/// The longest file of a key, in bytes.
const KEY_MAX: u64 = 16 * 1024;

/// Reads the key in a file; `-` is the standard input.
///
/// # Errors
/// The file cannot be read, or holds no key.
pub(crate) fn read(path: &Path) -> Result<Secret, Report> {
    if path != Path::new("-") {
        let file = File::open(path).map_err(|error| unreadable(path, error))?;
        return read_from(file, path);
    }
    if !io::stdin().is_terminal() {
        return read_from(io::stdin().lock(), path);
    }
    match Console.ask_hidden("Key (it is not shown): ")? {
        Hidden::Text(text) => of_text(&text),
        Hidden::End => Err(Report::new(ReportKind::Failed, "nothing was written")),
    }
}

fn read_from(from: impl Read, path: &Path) -> Result<Secret, Report> {
    let mut text = String::new();
    from.take(KEY_MAX).read_to_string(&mut text).map_err(|error| unreadable(path, error))?;
    of_text(&text)
}

/// Returns the key of a text: one line of ASCII characters without spaces.
///
/// # Errors
/// The text is no key. The report does not show it.
pub(crate) fn of_text(text: &str) -> Result<Secret, Report> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Report::new(
            ReportKind::Invalid,
            "failed to read the key: it is empty, or not one line of text",
        )
        .hint("a key is one line of ASCII characters without spaces"));
    }
    Ok(Secret::new(text))
}

fn unreadable(path: &Path, error: io::Error) -> Report {
    let what = if path == Path::new("-") {
        "failed to read the key from the standard input".to_owned()
    } else {
        format!("failed to read the key in {}", path.display())
    };
    Report::new(ReportKind::Failed, what).caused_by(error).hint("name a file that holds the key alone")
}
