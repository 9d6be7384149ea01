//! `hermes sessions …` on the sessions of an old database.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use predicates::prelude::*;
use rstest::rstest;
use serde_json::Value;

use crate::volume::Volume;

/// A session of the old database.
const ID: &str = "20261128_065916_b9809d";

/// Returns a volume whose default profile has the sessions of hermes-agent 0.19.
fn volume() -> Volume {
    let volume = Volume::new();
    volume.write("SOUL.md", "me");
    for (name, file) in [("state.db", "coder-state.db"), ("state.db-wal", "coder-state.db-wal")] {
        let path =
            format!("{}/../hermes-agent/testdata/hermes-agent-0.19-{file}.gz", env!("CARGO_MANIFEST_DIR"));
        let mut bytes = Vec::new();
        let packed = std::fs::File::open(Path::new(&path)).unwrap();
        GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        volume.write(name, bytes);
    }
    volume
}

fn json<const N: usize>(volume: &Volume, words: [&str; N]) -> Value {
    let output = volume.hermes(words).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn old_sessions_are_imported_with_a_note_once() {
    let volume = volume();
    let note = "hermes: Imported 1 session (3 messages) from ";
    let listed = predicate::str::contains(ID).and(predicate::str::contains("(Who are you?)"));
    volume
        .hermes(["sessions", "list"])
        .assert()
        .success()
        .stdout(listed)
        .stderr(predicate::str::starts_with(note));
    volume.hermes(["sessions", "list"]).assert().success().stderr("");
    let listed = json(&volume, ["sessions", "list", "--json"]);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["messages"], &listed[0]["usage"]["input"]),
        (&ID.into(), &3.into(), &10.into())
    );
}

#[test]
fn session_is_shown_by_prefix_and_by_title() {
    let volume = volume();
    volume.hermes(["sessions", "rename", "20261128", "Who is who"]).assert().success();
    let text = predicate::str::contains("title      Who is who\n")
        .and(predicate::str::contains("\nuser, 2026-11-28T06:59:20Z:\n  Who are you?\n"));
    volume.hermes(["sessions", "show", "Who is who"]).assert().success().stdout(text);
    let shown = json(&volume, ["sessions", "show", ID, "--json"]);
    assert_eq!(shown["session"]["title"], "Who is who");
    assert_eq!(
        shown["messages"][2]["message"]["blocks"][0]["text"],
        "This line lies in the write-ahead log."
    );
    assert!(shown["system"][0].as_str().unwrap().starts_with("You are Hermes Agent"));
}

#[rstest]
#[case(&["show", "nothing"], "failed to find session \"nothing\"")]
#[case(&["delete", "nothing", "--yes"], "failed to find session \"nothing\"")]
#[case(&["rename", ID, " "], "the title is empty")]
#[case(&["delete", ID], "this deletes session 20261128_065916_b9809d with 3 messages")]
#[case(&["prune", "--older-than", "0s"], "this deletes 1 session with all messages")]
fn failed_command_deletes_nothing(#[case] words: &[&str], #[case] expected: &str) {
    let volume = volume();
    let mut command = volume.hermes(["sessions"]);
    command.args(words).assert().code(1).stderr(predicate::str::contains(expected));
    assert_eq!(json(&volume, ["sessions", "stats", "--json"])["sessions"], 1);
}

#[test]
fn search_finds_the_words_of_messages() {
    let volume = volume();
    let hits = json(&volume, ["sessions", "search", "write-ahead", "log", "--json"]);
    assert_eq!((&hits[0]["session"], hits.as_array().unwrap().len()), (&ID.into(), 1));
    let none = "no message holds these words\n";
    volume.hermes(["sessions", "search", "OR", "nothing"]).assert().success().stdout(none);
}

#[test]
fn export_writes_a_line_for_each_session_and_message() {
    let volume = volume();
    let output = volume.hermes(["sessions", "export", "-o", "-"]).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["session", "message", "message", "message"]);
    volume.hermes(["sessions", "export", ID, "-o", "one.jsonl"]).assert().success();
    assert_eq!(volume.read("one.jsonl"), text);
    volume
        .hermes(["sessions", "export", ID, "-o", "one.jsonl"])
        .assert()
        .failure()
        .stderr(predicate::str::contains("hint: name another file, or add --force"));
}

#[rstest]
#[case(&["delete", ID, "--yes"], 0)]
#[case(&["prune", "--older-than", "0s", "--yes"], 0)]
#[case(&["prune", "--older-than", "0s", "--dry-run"], 1)]
#[case(&["prune", "--older-than", "0s", "--source", "api", "--yes"], 1)]
#[case(&["prune", "--older-than", "9000d", "--yes"], 1)]
fn deleted_sessions_do_not_return(#[case] words: &[&str], #[case] left: u64) {
    let volume = volume();
    volume.hermes(["sessions"]).args(words).assert().success();
    assert_eq!(json(&volume, ["sessions", "stats", "--json"])["sessions"], left);
}
