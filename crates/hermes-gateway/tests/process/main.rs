#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]
//! A gateway as a process of its own: real signals, the notification descriptor, the limit of descriptors, its confinement. This program
//! starts itself again for it.
//!
//! A gateway confines itself while it has one thread. The test harness of Rust would run it in a second one, so this program has a
//! `main` of its own.

mod confinement;
mod gateway;
mod life;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// The part that this process plays: `gateway`, `client` or `probe`. Without it, it runs the tests.
const ROLE: &str = "TEST_ROLE";
const HOME: &str = "TEST_HOME";

fn main() -> ExitCode {
    match std::env::var(ROLE).as_deref() {
        Ok("gateway") => gateway::gateway_process(),
        Ok("client") => gateway::client_process(),
        Ok("probe") => confinement::probe_process(),
        _ => return run_tests(),
    }
    ExitCode::SUCCESS
}

fn run_tests() -> ExitCode {
    let tests: [(&str, fn()); 11] = [
        ("a_tool_gets_no_answer_on_the_unix_socket", life::a_tool_gets_no_answer_on_the_unix_socket),
        ("the_gateway_of_another_agent_needs_the_key", life::the_gateway_of_another_agent_needs_the_key),
        (
            "sigterm_and_sigint_stop_it_but_sighup_does_not",
            life::sigterm_and_sigint_stop_it_but_sighup_does_not,
        ),
        ("the_drain_needs_no_thread_that_is_not_there", life::the_drain_needs_no_thread_that_is_not_there),
        ("a_second_signal_cuts_off_what_is_in_flight", life::a_second_signal_cuts_off_what_is_in_flight),
        (
            "without_descriptors_it_waits_without_spinning_and_then_goes_on",
            life::without_descriptors_it_waits_without_spinning_and_then_goes_on,
        ),
        ("the_files_of_another_profile_are_closed", confinement::the_files_of_another_profile_are_closed),
        ("the_machine_and_its_own_files_are_open", confinement::the_machine_and_its_own_files_are_open),
        ("a_key_file_outside_of_the_volume_is_read", confinement::a_key_file_outside_of_the_volume_is_read),
        ("settings_of_another_profile_end_the_start", confinement::settings_of_another_profile_end_the_start),
        ("the_default_gateway_stays_free", confinement::the_default_gateway_stays_free),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit_code()
}
