//! Recorded exchanges are served again.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use stand_in::{Error, Options, StandIn};

use crate::raw::{Answer, chat, post, stream};

/// "data: [DONE]" and an empty line, in Base64.
const DONE: &str = "ZGF0YTogW0RPTkVdCgo=";

fn record(directory: &Path, name: &str, body: &Value, status: u16) {
    let request = json!({"request": {"method": "POST", "path": "/v1/chat/completions", "body": body}});
    let headers = json!({"retry-after": "3"});
    let response =
        json!({"response": {"status": status, "content_type": "text/event-stream", "headers": headers}});
    let pieces = format!("{}\n{}", json!({"ms": 1, "data": DONE}), json!({"ms": 2, "data": DONE}));
    fs::write(directory.join(name), format!("{request}\n{response}\n{pieces}\n")).unwrap();
}

fn server(directory: &Path) -> StandIn {
    let options = Options { replay: Some(directory.to_owned()), ..Options::default() };
    StandIn::start(([127, 0, 0, 1], 0).into(), options).unwrap()
}

#[test]
fn a_recording_is_served_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut body = chat(true);
    body["temperature"] = 0.5.into();
    record(directory.path(), "1.jsonl", &body, 429);
    record(directory.path(), "2.jsonl", &body, 200);
    let server = server(directory.path());
    let answers: Vec<Answer> = (0..3).map(|_| stream(&server)).collect();
    assert_eq!(answers.iter().map(Answer::status).collect::<Vec<_>>(), [429, 200, 200]);
    assert_eq!(answers[0].text(), "data: [DONE]\n\ndata: [DONE]\n\n");
    assert_eq!(answers[0].header("content-type"), Some("text/event-stream"));
    assert_eq!(answers[0].header("retry-after"), Some("3"));
}

#[test]
fn a_miss_names_the_nearest_difference() {
    let directory = tempfile::tempdir().unwrap();
    let mut far = chat(true);
    far["model"] = "other".into();
    record(directory.path(), "1.jsonl", &far, 200);
    let mut near = chat(true);
    near["messages"][0]["content"] = "hello".into();
    record(directory.path(), "2.jsonl", &near, 200);
    let answer = post(&server(directory.path()), "/v1/chat/completions", &chat(true));
    assert_eq!(answer.status(), 400);
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with(r#"messages[0].content: recorded "hello", received "hi""#), "{message}");
}

#[test]
fn a_malformed_recording_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("1.jsonl"), "{}").unwrap();
    let options = Options { replay: Some(directory.path().to_owned()), ..Options::default() };
    let error = StandIn::start(([127, 0, 0, 1], 0).into(), options).unwrap_err();
    assert!(matches!(error, Error::Recording { line: 1, .. }), "{error}");
}
