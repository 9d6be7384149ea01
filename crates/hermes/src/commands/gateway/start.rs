//! `hermes gateway start`.

use std::process::ExitCode;

use hermes_operations::{Condition, Report, Verb};

use super::each;
use crate::context::Context;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes gateway start                    start the active profile's gateway, and wait until it is running
  hermes -p coder gateway start --no-wait
  hermes gateway start --all --timeout 2m")]
pub(crate) struct Arguments {
    #[command(flatten)]
    each: each::Arguments,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    each::run(context, &arguments.each, Verb::Start, Condition::Running)
}
