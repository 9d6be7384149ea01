//! `hermes gateway stop`.

use std::process::ExitCode;

use hermes_operations::{Condition, Report, Verb};

use super::each;
use crate::context::Context;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes gateway stop               stop the active profile's gateway, and wait until it is stopped
  hermes gateway stop --all")]
pub(crate) struct Arguments {
    #[command(flatten)]
    each: each::Arguments,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    each::run(context, &arguments.each, Verb::Stop, Condition::Stopped)
}
