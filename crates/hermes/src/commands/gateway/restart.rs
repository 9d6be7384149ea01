//! `hermes gateway restart`.

use std::process::ExitCode;

use hermes_operations::{Condition, Report, Verb};

use super::each;
use crate::context::Context;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes -p coder gateway restart
  hermes gateway restart --all")]
pub(crate) struct Arguments {
    #[command(flatten)]
    each: each::Arguments,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    each::run(context, &arguments.each, Verb::Restart, Condition::Running)
}
