//! `hermes container setup`: the account and the volume, before anything else of the boot.

use std::ffi::OsString;
use std::process::ExitCode;

use hermes_operations::Report;
use hermes_setup::{Notices, Variables, finish_password, populate, prepare};

use crate::context::Context;
use crate::privileges::Startup;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The command of the container, as /init passes it to the scripts of cont-init.d; nothing is done with it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _command: Vec<OsString>,
}

pub(crate) fn run(
    mut startup: Startup,
    context: &Context,
    _arguments: &Arguments,
) -> Result<ExitCode, Report> {
    let mut variables = Variables::of_this_process().hashing_with(hash);
    let mut notices = Notices::aloud();
    let prepared = prepare(&context.home, &mut variables, &mut notices);
    finish_password(&mut variables, &mut notices);
    // `finish_password` has joined the only thread. The rest is done with the rights of the account.
    startup.become_account()?;
    populate(&context.home, &variables, prepared, &mut notices);
    Ok(ExitCode::SUCCESS)
}

fn hash(password: &str) -> Result<String, String> {
    hermes_dashboard::hash_password(password).map_err(|error| error.to_string())
}
