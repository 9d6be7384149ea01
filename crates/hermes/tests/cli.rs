#![expect(clippy::unwrap_used, reason = "these are tests")]
//! The command line outside of a container: what a user reads, and the exit codes.

use assert_cmd::Command;
use predicates::prelude::*;

fn hermes() -> Command {
    Command::cargo_bin("hermes").unwrap()
}

#[test]
fn version_says_the_version_and_that_no_revision_is_known() {
    let expected = format!("hermes {} [(unknown)]\n", env!("CARGO_PKG_VERSION"));
    hermes().arg("--version").assert().success().stdout(expected);
}

#[test]
fn version_as_json_has_the_documented_fields() {
    let output = hermes().args(["version", "--json"]).assert().success();
    let value: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    assert!(value.get("revision").is_some() && value.get("install_method").is_some(), "{value}");
}

#[test]
fn an_unknown_word_is_wrong_usage() {
    hermes().arg("talk").assert().code(2).stderr(predicate::str::contains("unrecognized subcommand 'talk'"));
}

#[test]
fn without_arguments_it_says_that_nothing_supervises_here() {
    hermes().assert().success().stdout(predicate::str::contains("No supervisor runs here"));
}

#[test]
fn health_without_a_service_manager_is_69_with_a_hint() {
    hermes()
        .arg("health")
        .assert()
        .code(69)
        .stderr(predicate::str::starts_with("error: s6 does not supervise here\nhint: "));
}

#[test]
fn boot_without_a_record_says_what_is_missing() {
    let words = predicate::str::starts_with("error: failed to read /run/s6/boot.json\ncaused by: ")
        .and(predicate::str::contains("\nhint: "));
    hermes().arg("boot").assert().code(1).stderr(words);
}
