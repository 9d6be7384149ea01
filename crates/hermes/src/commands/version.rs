//! `hermes version`.

use std::process::ExitCode;

use hermes_operations::Report;

use crate::build::Build;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object: version, revision, install_method.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes version          print the version
  hermes version --json   print JSON for a program";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Report> {
    let build = Build::of_this_program();
    if arguments.json {
        output::json(&build);
    } else {
        say!("hermes {}", build.line());
        say!("revision: {}", build.revision.as_deref().unwrap_or("(unknown)"));
        say!("install method: {}", build.install_method.as_deref().unwrap_or("(none)"));
    }
    Ok(ExitCode::SUCCESS)
}
