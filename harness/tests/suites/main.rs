//! The suites: what the image promises, shown from outside. One module a topic.

mod main_invocation;

use std::process::ExitCode;

fn main() -> ExitCode {
    hermes_harness::suite::main()
}
