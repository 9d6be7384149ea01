//! `hermes profile import`.

use std::path::PathBuf;
use std::process::ExitCode;

use hermes_core::ProfileName;
use hermes_operations::Report;

use crate::context::Context;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A tar.gz that `hermes profile export` wrote.
    file: PathBuf,

    /// What the profile is to be called; without it as the folder in the archive.
    #[arg(long, value_name = "NAME", value_parser = ProfileName::for_new_profile)]
    name: Option<ProfileName>,
}

const EXAMPLES: &str = "Examples:
  hermes profile import coder-2026-11-24.tar.gz                  the profile 'coder', its gateway down
  hermes profile import coder-2026-11-24.tar.gz --name builder   under another name";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let name = context.operations()?.import(&arguments.file, arguments.name.as_ref())?;
    say!("imported the profile '{name}' into {}", context.home.profile_directory(&name).display());
    say!("next: hermes -p {name} gateway start");
    Ok(ExitCode::SUCCESS)
}
