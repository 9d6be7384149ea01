//! The tasks of `cargo xtask` that need a Docker client. One file per task, in `src/tasks`.

#[path = "../tasks/mod.rs"]
mod tasks;

use std::process::ExitCode;

use clap::Parser;

/// The tasks that talk to Docker; `cargo xtask` comes here with them.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: tasks::Task,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    container_harness::product::state(&hermes_harness::PRODUCT);
    match tasks::run(arguments.task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("caused by: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}
