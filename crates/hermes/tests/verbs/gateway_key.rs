//! `hermes gateway key`.

use predicates::prelude::*;
use serde_json::Value;

use crate::volume::Volume;

fn json_of<const N: usize>(volume: &Volume, words: [&str; N]) -> Value {
    let output = volume.hermes(words).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn a_new_profile_has_a_key_that_rotates() {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    let shown = json_of(&volume, ["-p", "coder", "gateway", "key", "show", "--json"]);
    let first = shown["key"].as_str().unwrap();
    assert!(first.starts_with("hk_") && first.len() == 46, "{shown}");
    let rotated = json_of(&volume, ["-p", "coder", "gateway", "key", "rotate", "--json"]);
    assert_ne!(rotated["key"], shown["key"]);
    let line = format!("{}\n", rotated["key"].as_str().unwrap());
    volume.hermes(["-p", "coder", "gateway", "key", "show"]).assert().success().stdout(line).stderr("");
}

#[test]
fn key_in_the_dot_env_is_shown_and_not_rotated() {
    let volume = Volume::new();
    volume.write("SOUL.md", "You are Ada.");
    volume
        .hermes(["gateway", "key", "show"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("hint: generate one: hermes gateway key rotate"));
    volume.write(".env", "API_SERVER_KEY=my-own-key\n");
    volume.hermes(["gateway", "key", "show"]).assert().success().stdout("my-own-key\n");
    let refused =
        predicate::str::contains("API_SERVER_KEY in ").and(predicate::str::contains("my-own-key").not());
    volume.hermes(["gateway", "key", "rotate"]).assert().code(1).stderr(refused);
}
