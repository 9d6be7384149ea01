//! `hermes gateway stop`.

use std::process::ExitCode;

use hermes_operations::{Report, Verb};

use super::each;
use crate::context::Context;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes gateway stop               the active profile's gateway; returns when it is down
  hermes gateway stop --all")]
pub(crate) struct Arguments {
    #[command(flatten)]
    each: each::Arguments,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    each::run(context, &arguments.each, Verb::Stop, "down")
}
