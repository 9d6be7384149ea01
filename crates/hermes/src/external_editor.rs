//! The editor of the person: `$VISUAL`, `$EDITOR`, nano or vi.

use std::io;
use std::path::Path;
use std::process::Command;

use hermes_operations::{Report, ReportKind};

/// The editors that are tried if no variable names one.
const EDITORS: &[&str] = &["nano", "vi"];

/// Opens a file in the editor, and waits for its end.
///
/// # Errors
/// There is no editor, or it failed.
pub(crate) fn run(file: &Path) -> Result<(), Report> {
    let named = ["VISUAL", "EDITOR"].iter().filter_map(std::env::var_os).find(|editor| !editor.is_empty());
    let status = match named {
        // A variable may hold arguments: a shell splits them, as git and crontab let it.
        Some(editor) => {
            let mut line = editor;
            line.push(" \"$1\"");
            Command::new("/bin/sh").arg("-c").arg(line).arg("sh").arg(file).status()
        }
        None => EDITORS
            .iter()
            .map(|editor| Command::new(editor).arg(file).status())
            .find(|result| !matches!(result, Err(error) if error.kind() == io::ErrorKind::NotFound))
            .unwrap_or_else(|| Err(io::ErrorKind::NotFound.into())),
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Report::new(
            ReportKind::Failed,
            format!("the editor ended with {status}; nothing was changed"),
        )),
        Err(error) => Err(Report::new(ReportKind::Failed, "failed to run an editor").caused_by(error)),
    }
}
