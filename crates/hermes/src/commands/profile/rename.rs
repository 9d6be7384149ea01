//! `hermes profile rename`.

use std::process::ExitCode;

use hermes_core::ProfileName;
use hermes_operations::Report;

use crate::context::Context;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile. `default` is the root of HERMES_HOME and cannot be renamed.
    #[arg(value_parser = ProfileName::for_new_profile)]
    old: ProfileName,

    /// The new name.
    #[arg(value_parser = ProfileName::for_new_profile)]
    new: ProfileName,
}

const EXAMPLES: &str = "Examples:
  hermes profile rename coder builder   rename it and keep its port; a running gateway starts again";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let (old, new) = (&arguments.old, &arguments.new);
    context.operations()?.rename(old, new)?;
    say!("renamed the profile '{old}' to '{new}'");
    Ok(ExitCode::SUCCESS)
}
