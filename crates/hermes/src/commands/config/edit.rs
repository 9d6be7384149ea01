//! `hermes config edit`: in an editor, on a copy that replaces the file only when it is a configuration.

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use hermes_core::ProfileName;
use hermes_core::config::{self, ConfigFileError};
use hermes_operations::{Report, ReportKind};
use hermes_os::whole_file;

use crate::context::Context;
use crate::external_editor;
use crate::output::{self, note, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

const EXAMPLES: &str = "Examples:
  hermes config edit                            edit in $VISUAL, $EDITOR, nano or vi
  EDITOR='code --wait' hermes -p coder config edit";

pub(crate) fn run(context: &Context, _: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let path = context.home.config(&profile);
    let before = whole_file::read(&path, config::CONFIG_FILE_MAX)?;
    let copy = copy_of(context, &profile);
    whole_file::write(&copy, before.as_deref().unwrap_or_default(), 0o600)?;
    loop {
        edit(&copy)?;
        match config::load(&copy) {
            Ok(_) => break,
            Err(error @ ConfigFileError::Parse { .. }) => {
                let ConfigFileError::Parse { source, .. } = &error else { return Err(error.into()) };
                note!("this is no configuration: {source}");
                if !again()? {
                    return Err(Report::new(
                        ReportKind::Configuration,
                        format!("failed to use the edited text: {source}"),
                    )
                    .hint(format!(
                        "{} is as it was; what you wrote is in {}",
                        path.display(),
                        copy.display()
                    )));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let after = whole_file::read(&copy, config::CONFIG_FILE_MAX)?.unwrap_or_default();
    if before.as_deref().unwrap_or_default() == after {
        let _ = std::fs::remove_file(&copy);
        say!("nothing was changed");
        return Ok(ExitCode::SUCCESS);
    }
    if whole_file::read(&path, config::CONFIG_FILE_MAX)? != before {
        return Err(Report::new(
            ReportKind::TryAgain,
            format!("{} was changed by somebody else meanwhile", path.display()),
        )
        .hint(format!("what you wrote is in {}; edit again and take over what you need", copy.display())));
    }
    let mode = whole_file::mode_of(&path).ok().flatten().unwrap_or(0o600);
    whole_file::write(&path, &after, mode)?;
    let _ = std::fs::remove_file(&copy);
    say!("wrote {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Beside the file, so that it is as private as that one and survives what the editor does; an export leaves it out.
fn copy_of(context: &Context, profile: &ProfileName) -> PathBuf {
    let mut name = OsString::from(context.home.config(profile));
    name.push(format!(".{}.tmp", process::id()));
    name.into()
}

/// Opens the copy in an editor, and removes it if none can be run.
fn edit(copy: &Path) -> Result<(), Report> {
    external_editor::run(copy).map_err(|error| {
        let _ = std::fs::remove_file(copy);
        error.hint(
            "name an editor that is here: EDITOR=vi hermes config edit; or: hermes config set KEY VALUE",
        )
    })
}

/// Asks whether to open the editor again; returns `false` without a terminal.
fn again() -> Result<bool, Report> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    output::prompt("Edit again? [Y/n] ");
    let mut answer = String::new();
    let read = io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to read the answer").caused_by(error))?;
    Ok(read > 0 && !answer.trim().to_ascii_lowercase().starts_with('n'))
}
