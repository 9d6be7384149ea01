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
    /// An archive of `hermes profile export`.
    file: PathBuf,

    /// The name of the profile. The default is the name of the folder in the archive.
    #[arg(long, value_name = "NAME", value_parser = ProfileName::for_new_profile)]
    name: Option<ProfileName>,
}

const EXAMPLES: &str = "Examples:
  hermes profile import coder-2026-11-24.tar.gz                  create the profile 'coder'
  hermes profile import coder-2026-11-24.tar.gz --name builder   create it with another name";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let name = context.operations()?.import(&arguments.file, arguments.name.as_ref())?;
    say!("imported the profile '{name}' into {}", context.home.profile_directory(&name).display());
    say!("next: hermes -p {name} gateway start");
    Ok(ExitCode::SUCCESS)
}
