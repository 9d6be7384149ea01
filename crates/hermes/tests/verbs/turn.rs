//! `hermes turn`.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::model_server::{KEY, ModelServer};
use crate::volume::Volume;

/// A volume with two turns.
fn volume() -> Volume {
    let (volume, server) = (Volume::new(), ModelServer::new());
    let (url, prices) = (&server.base_url, "budget:\n  prices:\n    big: {input: 1000, output: 2000}\n");
    volume.write("config.yaml", format!("model:\n  base_url: {url}\n  default: big\n{prices}"));
    volume.write(".env", format!("CUSTOM_API_KEY={KEY}\n"));
    for question in ["one", "two"] {
        volume.hermes(["chat", "-Q", "-q", question]).write_stdin("").assert().success();
    }
    volume
}

#[test]
fn turns_are_shown_by_number_and_the_last_one_without() {
    let volume = volume();
    let expected = contains("turn 1 of the session ")
        .and(contains("by hermes chat (process "))
        .and(contains("big: 12 input (0 cached), 3 output, 0.0180 USD\n"))
        .and(contains("end_turn; 12 input (0 cached), 3 output, 0.0180 USD\n"));
    volume.hermes(["turn", "1"]).assert().success().stdout(expected).stderr("");
    let output = volume.hermes(["turn", "--json"]).assert().success();
    let found: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!((&found["id"], &found["reason"]), (&2.into(), &"end_turn".into()));
    assert_eq!(found["model_calls"][0]["usage"]["output"], 3);
    assert!((found["usd"].as_f64().unwrap() - 0.018).abs() < 1e-9, "{found}");
    volume.hermes(["turn", "3"]).assert().code(1).stderr(contains("has no turn 3"));
}

#[test]
fn without_a_turn_no_database_is_made() {
    let volume = Volume::new();
    volume.hermes(["turn"]).assert().code(1).stderr(contains("has no turn yet").and(contains("hint: ")));
    assert!(!volume.path("hermes.db").exists());
}
