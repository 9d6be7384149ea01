//! `hermes setup`, without a terminal.

use std::os::unix::fs::PermissionsExt;

use predicates::prelude::*;
use predicates::str::contains;

use crate::model_server::{KEY, ModelServer};
use crate::volume::Volume;

#[test]
fn tested_answers_are_written() {
    let (volume, server) = (Volume::new(), ModelServer::new());
    volume.write("config.yaml", "# mine\nagent:\n  max_turns: 3\n");
    volume.write(".env", "# keys\nOTHER=1\nCUSTOM_API_KEY=old\n");
    volume
        .hermes(["setup", "--non-interactive", "--model", "big", "--key-file", "-", "--base-url"])
        .arg(&server.base_url)
        .write_stdin(format!("{KEY}\n"))
        .assert()
        .success()
        .stdout(
            contains("the model answers: Ready.\nset CUSTOM_API_KEY in ")
                .and(contains("next: hermes chat\n")),
        )
        .stdout(contains(KEY).not())
        .stderr(contains(KEY).not());
    assert_eq!(volume.read(".env"), format!("# keys\nOTHER=1\nCUSTOM_API_KEY={KEY}\n"));
    assert_eq!(volume.path(".env").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let config = volume.read("config.yaml");
    assert!(config.starts_with("# mine\nagent:\n  max_turns: 3\n"), "{config}");
    assert!(!config.contains(KEY), "{config}");
    // The written settings are those of the agent.
    volume.hermes(["chat", "-q", "hi", "-Q"]).write_stdin("").assert().success().stdout("Ready.\n");
}

#[test]
fn present_settings_are_answers() {
    let (volume, server) = (Volume::new(), ModelServer::new());
    let config = format!("model:\n  provider: custom\n  base_url: {}\n  default: big\n", server.base_url);
    volume.write("config.yaml", &config);
    volume.write(".env", format!("CUSTOM_API_KEY={KEY}\n"));
    volume.hermes(["setup", "--non-interactive", "--model", "small"]).assert().success();
    assert_eq!(volume.read("config.yaml"), config.replace("big", "small"));
    assert_eq!(server.requests(), ["POST /v1/chat/completions HTTP/1.1"]);
}

#[test]
fn failed_test_writes_nothing() {
    let (volume, server) = (Volume::new(), ModelServer::new());
    volume.write("key", "sk-wrong\n");
    volume
        .hermes(["setup", "--non-interactive", "--model", "big", "--key-file", "key", "--base-url"])
        .arg(&server.base_url)
        .assert()
        .code(1)
        .stderr(contains("error: the test failed: the server refuses the key\n").and(contains("\nhint: ")))
        .stderr(contains("sk-wrong").not());
    assert!(!volume.path(".env").exists() && !volume.path("config.yaml").exists());
}

#[test]
fn without_a_test_no_call_is_made() {
    let (volume, server) = (Volume::new(), ModelServer::new());
    volume
        .hermes(["setup", "--non-interactive", "--no-test", "--model", "big", "--base-url"])
        .arg(&server.base_url)
        .assert()
        .success();
    assert_eq!(server.requests(), [""; 0]);
    assert!(!volume.path(".env").exists());
}

#[test]
fn missing_answers_name_their_flags() {
    let volume = Volume::new();
    let assert = |words: &[&str], flag: &str| {
        let mut command = volume.hermes(["setup", "--non-interactive"]);
        command.args(words).assert().code(1).stderr(contains(format!("hint: add {flag}\n")));
    };
    assert(&[], "--provider NAME");
    assert(&["--provider", "custom", "--model", "m"], "--base-url URL");
    assert(&["--provider", "openai"], "--model NAME");
    assert(&["--provider", "openai", "--model", "m"], "--key-file FILE");
    assert!(!volume.path("config.yaml").exists());
}

#[test]
fn invalid_base_url_is_refused_before_it_is_written() {
    let volume = Volume::new();
    let expected = contains("failed to use the base URL \"nonsense\"").and(contains("config.yaml").not());
    let words = ["setup", "--non-interactive", "--base-url", "nonsense", "--model", "m"];
    volume.hermes(words).assert().code(1).stderr(expected);
    assert!(!volume.path("config.yaml").exists());
}

#[test]
fn unknown_provider_lists_the_known_ones() {
    Volume::new()
        .hermes(["setup", "--non-interactive", "--provider", "nobody", "--model", "m"])
        .assert()
        .code(1)
        .stderr(contains("\"nobody\" is unknown").and(contains("openai, anthropic")));
}

#[test]
fn without_a_terminal_it_asks_for_flags() {
    Volume::new()
        .hermes(["setup"])
        .assert()
        .code(1)
        .stderr(contains("there is no terminal").and(contains("hermes setup --non-interactive")));
}
