//! `hermes dashboard hash-password`.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use hermes_operations::{Report, ReportKind};

use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

const EXAMPLES: &str = "Examples:
  hermes config set dashboard.password_hash \"$(hermes dashboard hash-password <password-file)\"";

pub(crate) fn run(_: &Arguments) -> Result<ExitCode, Report> {
    if io::stdin().is_terminal() {
        output::prompt("Password (it is shown while you type): ");
    }
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to read the password").caused_by(error))?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Report::new(ReportKind::Failed, "there is no password on the standard input")
            .hint("pass it in: hermes dashboard hash-password <FILE"));
    }
    let hash = hermes_dashboard::hash_password(password)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to hash the password").caused_by(error))?;
    say!("{hash}");
    Ok(ExitCode::SUCCESS)
}
