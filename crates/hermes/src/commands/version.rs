//! `hermes version`.

use std::process::ExitCode;

use crate::build::Build;
use crate::error::CommandError;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Prints one JSON object: version, revision, install_method.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes version          what a bug report begins with
  hermes version --json   for a program";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let build = Build::of_this_program();
    if arguments.json {
        println!("{}", serde_json::json!(build));
    } else {
        println!("hermes {}", build.line());
        println!("revision: {}", build.revision.as_deref().unwrap_or("(unknown)"));
        println!("install method: {}", build.install_method.as_deref().unwrap_or("(none)"));
    }
    Ok(ExitCode::SUCCESS)
}
