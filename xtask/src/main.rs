//! `cargo xtask …`: what a developer of this repository runs. One file per task.
//!
//! It stays light, so that it compiles in seconds: what needs a Docker client lies in `harness` and
//! is reached through the binary of that crate ([`harness`]).

mod counts;
mod harness;
mod program;
mod shell_scripts;
mod tasks;

use std::process::ExitCode;

use clap::Parser;

/// The tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: tasks::Task,
}

fn main() -> ExitCode {
    match Arguments::parse().task.run() {
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
