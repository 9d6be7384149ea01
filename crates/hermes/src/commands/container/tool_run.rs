//! `hermes container tool-run`: runs one tool of an agent in the sandbox (the engine calls it).

use std::process::ExitCode;

use hermes_agent::sandbox;
use hermes_agent::tools::files;

use crate::privileges::Startup;

#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Reports success and failure to the engine alone. The [`Startup`] shows that no thread exists yet, as a fork needs.
pub(crate) fn run(_startup: Startup, _arguments: &Arguments) -> ExitCode {
    sandbox::supervise(files::run)
}
