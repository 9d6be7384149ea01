//! `hermes profile create`.

use std::process::ExitCode;

use hermes_core::ProfileName;
use hermes_os::whole_file;

use super::make;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A lower-case letter or digit, then any of those, '_' and '-'.
    #[arg(value_parser = ProfileName::for_new_profile)]
    name: ProfileName,
}

const EXAMPLES: &str = "Examples:
  hermes profile create coder     makes the profile 'coder'
  hermes -p coder gateway start   starts its gateway";

/// What a new agent is told that it is, until its owner writes something better.
const SOUL: &str = "You are a helpful personal assistant.\n";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let name = &arguments.name;
    create(context, name)?;
    say!("created the profile '{name}' in {}", context.home.profile_directory(name).display());
    say!("next: hermes -p {name} gateway start");
    Ok(ExitCode::SUCCESS)
}

/// Makes the profile, with a soul to begin with.
pub(crate) fn create(context: &Context, name: &ProfileName) -> Result<(), CommandError> {
    make::make(context, name, |directory| {
        Ok(whole_file::write(&directory.join("SOUL.md"), SOUL.as_bytes(), 0o644)?)
    })
}
