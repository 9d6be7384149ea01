//! `hermes profile create`.

use std::process::ExitCode;

use hermes_core::ProfileName;
use hermes_operations::Report;

use crate::context::Context;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A lower-case letter or digit, then any of those, '_' and '-'.
    #[arg(value_parser = ProfileName::for_new_profile)]
    name: ProfileName,
}

const EXAMPLES: &str = "Examples:
  hermes profile create coder     create the profile 'coder'
  hermes -p coder gateway start   start its gateway";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let name = &arguments.name;
    context.operations()?.create(name)?;
    say!("created the profile '{name}' in {}", context.home.profile_directory(name).display());
    say!("next: hermes -p {name} gateway start");
    Ok(ExitCode::SUCCESS)
}
