//! Responses over the API, with a model server of the test.

use serde_json::{Value, json};

use super::talk::{Talk, frames};

fn text_of(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{response}"))
}

#[test]
fn a_response_continues_the_previous_one() {
    let talk = Talk::start();
    let first = talk.post("/v1/responses", &json!({ "input": "one", "instructions": "Be brief." }));
    assert_eq!(first.status, 200, "{first:?}");
    let first = first.json();
    assert_eq!((text_of(&first), &first["status"]), ("Hello one", &json!("completed")));
    assert_eq!(first["usage"]["total_tokens"], 10);
    let input =
        json!([{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "two" }] }]);
    let second =
        talk.post("/v1/responses", &json!({ "input": input, "previous_response_id": first["id"] })).json();
    assert_eq!((text_of(&second), &second["previous_response_id"]), ("Hello two", &first["id"]));
    let sent = talk.model.requests()[1]["messages"].to_string();
    for part in ["Be brief.", "one", "Hello one", "two"] {
        assert!(sent.contains(part), "{part} is not in {sent}");
    }
    let branch = talk.post("/v1/responses", &json!({ "input": "x", "previous_response_id": first["id"] }));
    assert_eq!((branch.status, &branch.json()["error"]["code"]), (409, &json!("response_not_newest")));
    talk.gateway.stop();
}

#[test]
fn a_named_conversation_goes_on() {
    let talk = Talk::start();
    for conversation in [json!("plans"), json!({ "id": "plans" })] {
        let answer = talk.post("/v1/responses", &json!({ "input": "one", "conversation": conversation }));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(talk.model.requests()[1]["messages"].to_string().contains("Hello one"));
    let sessions = talk.get("/api/sessions").json();
    assert_eq!(
        (&sessions["data"][0]["title"], sessions["data"].as_array().unwrap().len()),
        (&json!("plans"), 1)
    );
    talk.gateway.stop();
}

#[test]
fn responses_are_shown_and_deleted() {
    let talk = Talk::start();
    let first = talk.post("/v1/responses", &json!({ "input": "one" })).json();
    let request = json!({ "input": "two", "previous_response_id": first["id"] });
    let second = talk.post("/v1/responses", &request).json();
    let path = |response: &Value| format!("/v1/responses/{}", response["id"].as_str().unwrap());
    let shown = talk.get(&path(&second)).json();
    assert_eq!((text_of(&shown), &shown["status"]), ("Hello two", &json!("completed")));
    assert_eq!((&shown["previous_response_id"], &shown["usage"]), (&first["id"], &second["usage"]));
    let delete = |response: &Value| talk.ask("DELETE", &path(response), &[], &Value::Null);
    assert_eq!(delete(&first).status, 409, "another response follows it");
    assert_eq!(delete(&second).json()["deleted"], true);
    assert_eq!(talk.get(&path(&second)).status, 404);
    assert_eq!(talk.get(&path(&first)).status, 200);
    for id in ["resp_9_none", "nothing"] {
        let unknown = talk.get(&format!("/v1/responses/{id}"));
        assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("response_not_found")));
    }
    talk.gateway.stop();
}

#[test]
fn a_response_that_is_not_stored_leaves_no_session() {
    let talk = Talk::start();
    let response = talk.post("/v1/responses", &json!({ "input": "one", "store": false })).json();
    assert_eq!(text_of(&response), "Hello one");
    assert_eq!(talk.get("/api/sessions").json()["data"], json!([]));
    talk.gateway.stop();
}

#[test]
fn a_streamed_response_has_openais_events_in_order() {
    let talk = Talk::start();
    let answer = talk.post("/v1/responses", &json!({ "input": "one", "stream": true }));
    let events: Vec<(String, Value)> = frames(&answer)
        .into_iter()
        .map(|(name, data)| (name, serde_json::from_str(&data).unwrap()))
        .collect();
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(names, expected);
    for (place, (name, data)) in events.iter().enumerate() {
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(place)));
    }
    let response = &events[9].1["response"];
    assert_eq!((text_of(response), &response["id"]), ("Hello one", &events[0].1["response"]["id"]));
    let stored = talk.get(&format!("/v1/responses/{}", response["id"].as_str().unwrap())).json();
    assert_eq!(text_of(&stored), "Hello one");
    talk.gateway.stop();
}

#[test]
fn a_cut_answer_is_an_incomplete_response() {
    let talk = Talk::start();
    let response = talk.post("/v1/responses", &json!({ "input": "long" })).json();
    assert_eq!(response["status"], "incomplete");
    assert_eq!(response["incomplete_details"]["reason"], "max_output_tokens");
    let answer = talk.post("/v1/responses", &json!({ "input": "long", "stream": true }));
    assert_eq!(frames(&answer).last().unwrap().0, "response.incomplete");
    talk.gateway.stop();
}

#[test]
fn wrong_responses_are_refused_with_the_reason() {
    let talk = Talk::start();
    let cases = [
        (json!({}), 400, "\"input\""),
        (
            json!({ "input": "x", "previous_response_id": "resp_1_a", "conversation": "b" }),
            400,
            "one of them",
        ),
        (json!({ "input": "x", "previous_response_id": "resp_1_a" }), 404, "resp_1_a"),
        (json!({ "input": "x", "conversation": "c", "store": false }), 400, "store"),
        (json!({ "input": "refuse" }), 502, "bad request of a test"),
    ];
    for (request, status, words) in cases {
        let answer = talk.post("/v1/responses", &request);
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{request}: {message}");
    }
    talk.gateway.stop();
}
