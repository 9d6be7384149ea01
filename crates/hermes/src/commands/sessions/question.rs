//! The question before a deletion.

use std::io::{self, BufRead, IsTerminal};

use hermes_operations::{Report, ReportKind};

use crate::output::{self, note};

/// Asks on a terminal. Without one, the user must have given `--yes`.
///
/// # Errors
/// The user does not agree, or cannot be asked.
pub(crate) fn ask(effect: &str, yes: bool) -> Result<(), Report> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Report::new(ReportKind::Failed, effect).hint("add --yes to go on without a question"));
    }
    note!("{effect}.");
    output::prompt("Type 'yes' to go on: ");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to read the answer").caused_by(error))?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(Report::new(ReportKind::Failed, "the answer is not 'yes'; nothing was deleted")),
    }
}
