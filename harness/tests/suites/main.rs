//! The suites: what the image promises, shown from outside. One module a topic.

#![expect(
    clippy::expect_used,
    reason = "these are tests: what is not as expected is a failure, with evidence"
)]

mod agent_restart;
mod agent_secrets;
mod approvals;
mod ask_agent;
mod browser;
mod capabilities;
mod chat;
mod chat_terminal;
mod container_restart;
mod crash_loop;
mod dashboard;
mod dashboard_conversation;
mod dashboard_pages;
mod deploy;
mod full_screen;
mod gateway_api;
mod gateway_confinement;
mod gateway_run;
mod harness_and_others;
mod harness_itself;
mod harness_on_failure;
mod hostile_archives;
mod hostile_boot;
mod hostile_clients;
mod hostile_log;
mod hostile_pages;
mod hostile_pids;
mod hostile_secrets;
mod hostile_slots;
mod hostile_terminal;
mod hostile_tools;
mod hostile_volume;
mod image_layout;
mod immutable_install;
mod init_conventions;
mod lease;
mod limited_volumes;
mod logs;
mod main_invocation;
mod mcp;
mod not_pid_1;
mod old_entry_points;
mod old_volumes;
mod other_users;
mod privilege_drop;
mod profile_gateway;
mod read_only;
mod s6_profile_gateway_integration;
mod signals_and_exit;
mod stand_in;
mod starts;
mod support;
mod tools;
mod tui_passthrough;
mod user_and_uid;
mod volume_faults;
mod volume_setup;
mod zombie_reaping;

use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suites");
    hermes_harness::suite::main_in(&hermes_harness::PRODUCT, folder)
}
