//! `hermes profile use`.

use std::process::ExitCode;

use hermes_core::ProfileName;
use hermes_core::profile::active as active_profile;
use hermes_operations::{Report, must_exist};

use crate::context::Context;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile that commands use without `-p`.
    #[arg(value_parser = ProfileName::new)]
    name: ProfileName,
}

const EXAMPLES: &str = "Examples:
  hermes profile use coder     make 'hermes gateway start' start the gateway of 'coder'
  hermes profile use default   use the profile at the root of HERMES_HOME again";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    must_exist(&context.home, &arguments.name)?;
    active_profile::write(&context.home, &arguments.name)?;
    say!("the active profile is now '{}'", arguments.name);
    Ok(ExitCode::SUCCESS)
}
