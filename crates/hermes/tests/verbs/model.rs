//! `hermes model`.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::model_server::{KEY, ModelServer};
use crate::volume::Volume;

fn volume(server: &ModelServer) -> Volume {
    let volume = Volume::new();
    let url = &server.base_url;
    volume.write("config.yaml", format!("model:\n  provider: custom\n  base_url: {url}\n  default: big\n"));
    volume.write(".env", format!("CUSTOM_API_KEY={KEY}\n"));
    volume
}

#[test]
fn each_setting_is_shown_with_its_source() {
    let server = ModelServer::new();
    let volume = volume(&server);
    let expected = contains("model     big ")
        .and(contains("model.default in line 4 of config.yaml\n"))
        .and(contains("CUSTOM_API_KEY in .env\n"));
    volume.hermes(["model"]).assert().success().stdout(expected).stdout(contains(KEY).not());
    let output = volume.hermes(["model", "--json"]).env("HERMES_MODEL", "other").assert().success();
    let found: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(found["model"], json!({ "value": "other", "source": "HERMES_MODEL in the environment" }));
    assert_eq!(found["key"], json!({ "set": true, "source": "CUSTOM_API_KEY in .env" }));
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn list_marks_the_configured_model() {
    let server = ModelServer::new();
    let volume = volume(&server);
    volume.hermes(["model", "--list"]).assert().success().stdout("* big\n  small:latest\n").stderr("");
    let output = volume.hermes(["model", "--list", "--json"]).assert().success();
    let found: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(found["models"][0], json!({ "name": "big", "configured": true }));
}

#[test]
fn listed_model_is_taken() {
    let server = ModelServer::new();
    let volume = volume(&server);
    let before = volume.read("config.yaml");
    volume
        .hermes(["model", "small"])
        .assert()
        .success()
        .stdout(contains("set the model small in ").and(contains("hermes gateway restart")))
        .stderr("");
    assert_eq!(volume.read("config.yaml"), before.replace("big", "small"));
}

#[test]
fn unlisted_model_changes_nothing() {
    let server = ModelServer::new();
    let volume = volume(&server);
    let before = volume.read("config.yaml");
    let hint = contains("the server does not list mall").and(contains("hint: choose one of: small:latest\n"));
    volume.hermes(["model", "mall"]).assert().code(1).stderr(hint);
    assert_eq!(volume.read("config.yaml"), before);
}

#[test]
fn server_without_a_list_gets_a_note() {
    let server = ModelServer::without_list();
    let volume = volume(&server);
    let note = contains("note: the server has no list of models");
    volume.hermes(["model", "any"]).assert().success().stderr(note);
    assert!(volume.read("config.yaml").contains("default: any\n"));
    volume.hermes(["model", "--list"]).assert().code(1).stderr(contains("failed to list the models"));
}

#[test]
fn variable_above_the_setting_is_a_warning() {
    let server = ModelServer::new();
    let warning = contains("warning: HERMES_MODEL in the environment is above model.default");
    let volume = volume(&server);
    let mut command = volume.hermes(["model", "small"]);
    command.env("HERMES_MODEL", "big").assert().success().stderr(warning);
}

#[test]
fn profile_without_a_model_gets_the_next_steps() {
    Volume::new().hermes(["model"]).assert().code(78).stderr(contains("hermes setup"));
}
