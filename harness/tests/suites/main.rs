//! The suites: what the image promises, shown from outside. One module a topic.

#![expect(
    clippy::expect_used,
    reason = "these are tests: what is not as expected is a failure, with evidence"
)]

mod harness_itself;
mod own_services;
mod signals_and_exit;

use std::process::ExitCode;

fn main() -> ExitCode {
    hermes_harness::suite::main()
}
