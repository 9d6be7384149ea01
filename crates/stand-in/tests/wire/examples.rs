//! The examples of `README.md` are true.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;
use stand_in::Script;

use crate::raw::{chat, send};

fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn scripts_of_the_readme_parse() {
    let readme = include_str!("../../README.md");
    let scripts = blocks(readme, "json");
    assert!(scripts.len() >= 2, "{scripts:?}");
    for script in scripts {
        Script::parse(script).unwrap_or_else(|error| panic!("{error}: {script}"));
    }
}

#[test]
fn the_program_follows_its_script_until_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script.json");
    fs::write(&script, json!([{"text": "Hello"}]).to_string()).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_stand-in"));
    let program = program.args(["--listen", "127.0.0.1:0", "--script"]).arg(script).stdout(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on http://").unwrap().strip_suffix("/v1").unwrap();
    let answer = send(address.parse().unwrap(), "POST", "/v1/chat/completions", &chat(true).to_string());
    assert_eq!(answer.streamed_text(), "Hello");
    let status = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
    assert!(child.wait().unwrap().success());
}
