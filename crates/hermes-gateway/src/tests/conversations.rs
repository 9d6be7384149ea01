//! Stored sessions and runs over the API, with a model server of the test.

use rstest::rstest;
use serde_json::{Value, json};

use super::gateway::wait_until;
use super::talk::{Talk, chat, frames, whole};

#[test]
fn a_named_session_remembers_its_messages() {
    let talk = Talk::start();
    let line = ["X-Hermes-Session-Id: my-chat"];
    for text in ["first", "second"] {
        let answer = talk.ask("POST", "/v1/chat/completions", &line, &chat(text));
        assert_eq!((answer.status, answer.header("x-hermes-session-id")), (200, Some("my-chat")));
    }
    let sent = talk.model.requests()[1]["messages"].to_string();
    assert!(sent.contains("first") && sent.contains("Hello first") && sent.contains("second"), "{sent}");
    let messages = talk.get("/api/sessions/my-chat/messages").json();
    let contents: Vec<_> =
        messages["data"].as_array().unwrap().iter().map(|one| one["content"].clone()).collect();
    assert_eq!(contents, ["first", "Hello first", "second", "Hello second"]);
    talk.gateway.stop();
}

#[test]
fn sessions_are_created_changed_forked_and_deleted() {
    let talk = Talk::start();
    let id = talk.new_session();
    let path = format!("/api/sessions/{id}");
    let renamed = talk.ask("PATCH", &path, &[], &json!({ "title": "Plans" }));
    assert_eq!((renamed.status, &renamed.json()["title"]), (200, &json!("Plans")));
    let turn = talk.post(&format!("{path}/chat"), &json!({ "message": "one" }));
    assert_eq!((turn.status, &turn.json()["text"]), (200, &json!("Hello one")), "{turn:?}");
    assert_eq!(turn.header("x-hermes-session-id"), Some(id.as_str()));
    let copy = talk.post(&format!("{path}/fork"), &Value::Null);
    assert_eq!((copy.status, &copy.json()["parent"]), (201, &json!(id)));
    let answer = talk.post(&format!("{path}/chat/stream"), &json!({ "message": "two" }));
    let named = frames(&answer);
    let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["run.started", "assistant.delta", "assistant.delta", "run.completed"]);
    let end: Value = serde_json::from_str(&named[3].1).unwrap();
    assert_eq!((&end["text"], &end["partial"]), (&json!("Hello two"), &json!(false)));
    assert_eq!(talk.get("/api/sessions?limit=1").json()["data"].as_array().unwrap().len(), 1);
    let page = talk.get(&format!("{path}/messages?limit=2")).json();
    let after = page["data"][1]["id"].as_i64().unwrap();
    let rest = talk.get(&format!("{path}/messages?after={after}")).json();
    assert_eq!(rest["data"][0]["content"], "two");
    assert_eq!(talk.ask("DELETE", &path, &[], &Value::Null).json()["deleted"], true);
    assert_eq!(talk.get(&path).json()["error"]["code"], "session_not_found");
    talk.gateway.stop();
}

#[test]
fn a_turn_that_was_taken_back_can_be_sent_again() {
    let talk = Talk::start();
    let path = format!("/api/sessions/{}", talk.new_session());
    let nothing = talk.post(&format!("{path}/undo"), &Value::Null);
    assert_eq!((nothing.status, &nothing.json()["error"]["code"]), (409, &json!("nothing_to_undo")));
    for text in ["one", "two"] {
        talk.post(&format!("{path}/chat"), &json!({ "message": text }));
    }
    let taken = talk.post(&format!("{path}/undo"), &Value::Null);
    assert_eq!((taken.status, &taken.json()["content"]), (200, &json!("two")), "{taken:?}");
    talk.post(&format!("{path}/chat"), &json!({ "message": "three" }));
    let sent = talk.model.requests().pop().unwrap()["messages"].to_string();
    assert!(sent.contains("one") && sent.contains("three") && !sent.contains("two"), "{sent}");
    assert_eq!(talk.post("/api/sessions/none/undo", &Value::Null).status, 404);
    talk.gateway.stop();
}

#[test]
fn a_turn_has_a_time_line() {
    let talk = Talk::start();
    let path = format!("/api/sessions/{}/chat", talk.new_session());
    let turn = talk.post(&path, &json!({ "message": "one" })).json();
    let record = talk.get(&format!("/api/turns/{}", turn["turn"])).json();
    assert_eq!((&record["id"], &record["reason"]), (&turn["turn"], &json!("end_turn")), "{record}");
    assert_eq!(record["model_calls"].as_array().unwrap().len(), 1);
    assert_eq!((&record["usage"], &record["usd"]), (&turn["usage"], &Value::Null), "no price is known");
    for unknown in ["0", "x", "99"] {
        assert_eq!(talk.get(&format!("/api/turns/{unknown}")).json()["error"]["code"], "turn_not_found");
    }
    talk.gateway.stop();
}

#[test]
fn usage_of_a_day_counts_its_calls_and_the_budget() {
    let talk = Talk::configured("budget:\n  tokens_per_day: 100000\n", "");
    let path = format!("/api/sessions/{}/chat", talk.new_session());
    let turn = talk.post(&path, &json!({ "message": "one" })).json();
    let usage = talk.get("/api/usage").json();
    let (day, budget) = (&usage["data"][0], &usage["budget"]);
    assert_eq!(
        (&day["calls"], &day["usage"], &day["usd"]),
        (&json!(1), &turn["usage"], &Value::Null),
        "{usage}"
    );
    assert_eq!(budget["day"], day["day"]);
    assert_eq!(budget["tokens_per_day"], 100_000);
    let sum = turn["usage"]["input"].as_u64().unwrap() + turn["usage"]["output"].as_u64().unwrap();
    assert_eq!(budget["tokens"], sum);
    talk.gateway.stop();
}

#[test]
fn sessions_are_found_by_title_and_by_message() {
    let talk = Talk::start();
    let (first, second) = (talk.new_session(), talk.new_session());
    talk.ask("PATCH", &format!("/api/sessions/{first}"), &[], &json!({ "title": "A Plan & more" }));
    talk.post(&format!("/api/sessions/{second}/chat"), &json!({ "message": "the weather" }));
    let found = |query: &str| {
        let listed = talk.get(&format!("/api/sessions?{query}")).json();
        listed["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(found("search=plan+%26"), [first]);
    assert_eq!(found("search=weather"), [second.as_str()]);
    assert!(found("search=nowhere").is_empty());
    assert_eq!(talk.get(&format!("/api/sessions/{second}")).json()["preview"], "the weather");
    talk.gateway.stop();
}

#[test]
fn the_last_messages_come_before_a_message() {
    let talk = Talk::start();
    let path = format!("/api/sessions/{}", talk.new_session());
    for text in ["one", "two"] {
        talk.post(&format!("{path}/chat"), &json!({ "message": text }));
    }
    let contents = |query: &str| {
        let listed = talk.get(&format!("{path}/messages?{query}")).json();
        let data = listed["data"].as_array().unwrap().clone();
        (data.iter().map(|one| one["content"].clone()).collect::<Vec<_>>(), data[0]["id"].as_i64().unwrap())
    };
    let (last, first_of_them) = contents("before=9000000000&limit=2");
    assert_eq!(last, ["two", "Hello two"]);
    assert_eq!(contents(&format!("before={first_of_them}&limit=2")).0, ["one", "Hello one"]);
    assert_eq!(talk.get(&format!("{path}/messages?before=x")).status, 400);
    talk.gateway.stop();
}

#[test]
fn a_run_goes_on_without_a_connection() {
    let talk = Talk::start();
    let started = talk.post("/v1/runs", &json!({ "input": "wait" }));
    assert_eq!(started.status, 202, "{started:?}");
    let run = started.json();
    assert_eq!(run["status"], "running");
    let of_session = format!("/v1/runs?session_id={}", run["session_id"].as_str().unwrap());
    assert_eq!(talk.get(&of_session).json()["data"], json!([run]));
    assert_eq!(talk.get("/v1/runs?session_id=other").json()["data"], json!([]));
    let path = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    let mut early = talk.send("GET", &format!("{path}/events"), &[], &Value::Null);
    wait_until("the model is asked", || talk.model.requests().len() == 1);
    talk.model.open();
    let early = frames(&whole(&early.rest()));
    assert_eq!(early.last().unwrap().0, "run.completed");
    assert_eq!(early[0].0, "run.started");
    let late = frames(&talk.get(&format!("{path}/events")));
    assert_eq!(late, early, "a late listener gets the same");
    let ended = talk.get(&path).json();
    assert_eq!(ended["status"], "completed");
    assert!(ended["output"].as_str().unwrap().starts_with("Hello"), "{ended}");
    assert_eq!(talk.get("/v1/runs/run_none").json()["error"]["code"], "run_not_found");
    talk.gateway.stop();
}

#[test]
fn a_run_can_be_stopped() {
    let talk = Talk::start();
    let run = talk.post("/v1/runs", &json!({ "input": "wait" })).json();
    let path = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    talk.send("GET", &format!("{path}/events"), &[], &Value::Null).until("Hello");
    assert_eq!(talk.post(&format!("{path}/stop"), &Value::Null).status, 200);
    wait_until("it is cancelled", || talk.get(&path).json()["status"] == "cancelled");
    let session = run["session_id"].as_str().unwrap();
    let messages = talk.get(&format!("/api/sessions/{session}/messages")).json();
    assert_eq!(messages["data"][1]["interrupted"], true, "{messages}");
    talk.gateway.stop();
}

#[test]
fn a_message_answers_the_question_of_a_session() {
    let talk = Talk::start();
    let session = talk.new_session();
    let path = format!("/api/sessions/{session}/chat");
    let mut stream = talk.send("POST", &format!("{path}/stream"), &[], &json!({ "message": "ask" }));
    stream.until("event: question.asked");
    let answer = talk.post(&path, &json!({ "message": "2" }));
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("steered")), "{answer:?}");
    let rest = String::from_utf8(stream.rest()).unwrap();
    for part in ["event: question.ended", r#""answered":true"#, "event: run.completed", "Hello blue"] {
        assert!(rest.contains(part), "{part}: {rest}");
    }
    let messages = talk.get(&format!("/api/sessions/{session}/messages")).json();
    let stored: Vec<_> =
        messages["data"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(stored, ["user", "assistant", "tool", "assistant"], "{messages}");
    talk.gateway.stop();
}

#[test]
fn a_message_answers_the_question_of_a_run() {
    let talk = Talk::start();
    let run = talk.post("/v1/runs", &json!({ "input": "ask" })).json();
    let events = format!("/v1/runs/{}/events", run["run_id"].as_str().unwrap());
    talk.send("GET", &events, &[], &Value::Null).until("event: question.asked");
    let chat = format!("/api/sessions/{}/chat", run["session_id"].as_str().unwrap());
    assert_eq!(talk.post(&chat, &json!({ "message": "neither" })).status, 202);
    let frames = frames(&talk.get(&events));
    let data = |name: &str| -> Value {
        let frame =
            frames.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("{name}: {frames:?}"));
        serde_json::from_str(&frame.1).unwrap()
    };
    let asked = data("question.asked");
    let expected = json!({
        "id": "c1", "question": "Which colour?", "choices": ["red", "blue"], "run_id": run["run_id"],
    });
    assert_eq!(asked, expected);
    assert_eq!(data("question.ended")["answered"], true);
    assert_eq!(data("run.completed")["text"], "Hello neither");
    talk.gateway.stop();
}

#[rstest]
#[case("/v1/chat/completions", chat("ask"))]
#[case("/v1/responses", json!({ "input": "ask" }))]
fn a_question_without_a_person_ends_at_once(#[case] path: &str, #[case] request: Value) {
    let talk = Talk::start();
    let answer = talk.post(path, &request);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("Hello Nobody can answer during this turn."), "{answer:?}");
    talk.gateway.stop();
}

#[test]
fn a_message_during_a_turn_goes_into_it() {
    let talk = Talk::start();
    let path = format!("/api/sessions/{}/chat", talk.new_session());
    let mut busy = talk.send("POST", &path, &[], &json!({ "message": "wait" }));
    wait_until("the model is asked", || talk.model.requests().len() == 1);
    let steered = talk.post(&path, &json!({ "message": "more" }));
    assert_eq!((steered.status, &steered.json()["status"]), (202, &json!("steered")), "{steered:?}");
    talk.model.open();
    let end = whole(&busy.rest());
    assert_eq!((end.status, &end.json()["text"]), (200, &json!("Hello more")), "{end:?}");
    talk.gateway.stop();
}
