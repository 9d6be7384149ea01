//! Tests of the questions, with a script in place of a person.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use hermes_core::{Home, ProfileName};
use tempfile::TempDir;

use super::*;

/// A person who gives these answers, and leaves at their end.
#[derive(Default)]
struct Script {
    answers: VecDeque<&'static str>,
    shown: Vec<String>,
}

impl Script {
    fn new(answers: &[&'static str]) -> Self {
        Self { answers: answers.iter().copied().collect(), shown: Vec::new() }
    }
}

impl Terminal for Script {
    fn ask(&mut self, question: &str) -> Result<Option<String>, Report> {
        self.shown.push(question.to_owned());
        Ok(self.answers.pop_front().map(str::to_owned))
    }

    fn ask_hidden(&mut self, question: &str) -> Result<Hidden, Report> {
        Ok(self.ask(question)?.map_or(Hidden::End, Hidden::Text))
    }

    fn say(&mut self, line: &str) {
        self.shown.push(line.to_owned());
    }
}

fn place(dot_env: &str) -> (TempDir, Place) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), dot_env).unwrap();
    let home = Home::new(folder.path()).unwrap();
    let profile = ProfileName::new("default").unwrap();
    (folder, Place { home, profile, environment: BTreeMap::new() })
}

/// Starts a server that lists two models, once. Returns its base URL.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = client.read(&mut request).unwrap();
        let body = r#"{"data":[{"id":"big"},{"id":"small"}]}"#;
        write!(
            client,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    });
    url
}

#[test]
fn listed_model_is_chosen_by_its_number() {
    let (_folder, place) = place("");
    let fixed = Present { provider: Some("custom".into()), base_url: Some(server()), ..Present::default() };
    let mut script = Script::new(&["", "2"]);
    let draft = ask(&mut script, &place, &fixed, &Present::default()).unwrap().unwrap();
    assert_eq!((draft.model.as_str(), draft.key), ("small", None));
    assert!(script.shown.contains(&"   1  big".to_owned()), "{:?}", script.shown);
}

#[test]
fn key_that_is_set_is_named_and_never_shown() {
    let (_folder, place) = place("MISTRAL_API_KEY=canary\n");
    let fixed = Present { model: Some("m".into()), ..Present::default() };
    let defaults = Present { provider: Some("mistral".into()), ..Present::default() };
    // The provider's default URL is hosted, and the list would be asked there: the model is fixed.
    let mut script = Script::new(&["", ""]);
    let draft = ask(&mut script, &place, &fixed, &defaults).unwrap().unwrap();
    assert_eq!((draft.provider.as_str(), draft.key), ("mistral", None));
    let shown = script.shown.join("\n");
    assert!(shown.contains("[set: MISTRAL_API_KEY in .env]") && !shown.contains("canary"), "{shown}");
}

#[test]
fn hosted_provider_needs_a_key() {
    let (_folder, place) = place("");
    let fixed = Present { model: Some("m".into()), ..Present::default() };
    let mut script = Script::new(&["openai", "", "two words", "sk-1"]);
    let draft = ask(&mut script, &place, &fixed, &Present::default()).unwrap().unwrap();
    assert_eq!(draft.key, Some(("OPENAI_API_KEY".to_owned(), Secret::new("sk-1"))));
    assert_eq!(draft.base_url, "https://api.openai.com/v1");
}

#[test]
fn end_of_the_input_leaves() {
    let (_folder, place) = place("");
    let mut script = Script::new(&["nobody", "custom"]);
    assert_eq!(ask(&mut script, &place, &Present::default(), &Present::default()).unwrap(), None);
}
