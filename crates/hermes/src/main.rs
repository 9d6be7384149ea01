//! The `hermes` command.

mod build;
mod cli;
mod commands;
mod context;
mod event_loop;
mod exit_code;
mod external_editor;
mod failures;
mod gateway_table;
mod output;
mod privileges;
mod stored;
mod table;

use std::process::ExitCode;

use exit_code::Print as _;
use privileges::Startup;

fn main() -> ExitCode {
    // The only `Startup`: no thread exists yet, so the environment and the user of the process may still change.
    let startup = Startup::of_main();
    // A failed command says why, and its exit code is the one that counts.
    match cli::run(startup).and_then(|code| output::finish().map(|()| code)) {
        Ok(code) => code,
        Err(error) => error.print(),
    }
}
