//! The `hermes` command.

mod account;
mod archive;
mod boot_wait;
mod build;
mod cli;
mod commands;
mod context;
mod error;
mod failures;
mod foreground;
mod gateways;
mod output;
mod ownership;
mod supervised;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: before a file is opened, before the arguments are understood.
    if let Err(error) = account::leave_root() {
        return error.report();
    }
    // A command that failed says why, and its exit code is the one that counts.
    match cli::run().and_then(|code| output::finish().map(|()| code)) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
