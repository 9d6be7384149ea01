//! `hermes profile delete`.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind};

use crate::context::Context;
use crate::output::{self, note, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile.
    #[arg(value_parser = ProfileName::for_new_profile)]
    name: ProfileName,

    /// Delete without a question.
    #[arg(long)]
    yes: bool,
}

const EXAMPLES: &str = "Examples:
  hermes profile export coder         write an archive first
  hermes profile delete coder         ask on the terminal, then delete
  hermes profile delete coder --yes   delete without a question";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let name = &arguments.name;
    let was_active = context.operations()?.delete(name, || {
        if arguments.yes || confirmed(context, name)? {
            return Ok(());
        }
        Err(Report::new(ReportKind::Failed, "that is not its name; nothing was deleted"))
    })?;
    if was_active {
        say!("the active profile is now 'default'");
    }
    say!("deleted the profile '{name}'");
    Ok(ExitCode::SUCCESS)
}

/// Asks on a terminal; where there is none, nobody can be asked.
fn confirmed(context: &Context, name: &ProfileName) -> Result<bool, Report> {
    let directory = context.home.profile_directory(name);
    let what = format!("this removes {} and everything in it", directory.display());
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Report::new(ReportKind::Failed, what)
            .hint(format!("say that you mean it: hermes profile delete {name} --yes")));
    }
    note!("{what}.");
    output::prompt("Type the profile's name to go on: ");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to read the answer").caused_by(error))?;
    Ok(answer.trim() == name.as_str())
}
