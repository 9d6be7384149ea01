//! The limits and the ends of turns, with a model server of the test.

use serde_json::{Value, json};

use super::gateway::{coder, wait_until};
use super::talk::{Talk, chat, frames, streamed, whole};

#[test]
fn a_client_that_goes_away_interrupts_the_turn() {
    let talk = Talk::start();
    for (count, request) in [(1, chat("wait")), (2, streamed("wait"))] {
        let client = talk.send("POST", "/v1/chat/completions", &[], &request);
        wait_until("the model is asked", || talk.model.requests().len() == count);
        drop(client);
        wait_until("the model's connection ends", || talk.model.aborted() == count);
        let idle = "\nhermes_gateway_turns_running 0\n";
        wait_until("no turn runs", || talk.get("/metrics").body.contains(idle));
    }
    let metrics = talk.get("/metrics").body;
    assert!(metrics.contains("hermes_gateway_turns_total{reason=\"cancelled\"} 2"), "{metrics}");
    talk.gateway.stop();
}

#[test]
fn more_turns_than_the_limit_are_refused() {
    let talk = Talk::configured("gateway: {api_server: {max_concurrent_runs: 1}}\n", "");
    let mut busy = talk.send("POST", "/v1/chat/completions", &[], &chat("wait"));
    wait_until("the model is asked", || talk.model.requests().len() == 1);
    wait_until("active_agents is 1", || talk.home.state().active_agents() == Some(1));
    let refused = talk.post("/v1/chat/completions", &chat("x"));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("rate_limit_exceeded")));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    talk.model.open();
    assert_eq!(whole(&busy.rest()).status, 200);
    assert_eq!(talk.post("/v1/chat/completions", &chat("x")).status, 200);
    wait_until("active_agents is 0", || talk.home.state().active_agents() == Some(0));
    talk.gateway.stop();
}

#[test]
fn a_busy_session_refuses_a_second_turn() {
    let talk = Talk::start();
    let id = talk.new_session();
    let path = format!("/api/sessions/{id}/chat");
    let mut busy = talk.send("POST", &path, &[], &json!({ "message": "wait" }));
    wait_until("the model is asked", || talk.model.requests().len() == 1);
    let line = format!("X-Hermes-Session-Id: {id}");
    for request in [chat("x"), streamed("x")] {
        let refused = talk.ask("POST", "/v1/chat/completions", &[&line], &request);
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &json!("session_busy")));
    }
    let refused = talk.ask("DELETE", &format!("/api/sessions/{id}"), &[], &Value::Null);
    assert_eq!(refused.status, 409, "{refused:?}");
    talk.model.open();
    assert_eq!(whole(&busy.rest()).status, 200);
    talk.gateway.stop();
}

#[test]
fn a_drain_finishes_turns_and_refuses_new_ones() {
    let talk = Talk::configured("gateway: {drain_timeout: 20}\n", "");
    let mut busy = talk.send("POST", "/v1/chat/completions", &[], &chat("wait"));
    wait_until("the model is asked", || talk.model.requests().len() == 1);
    talk.gateway.terminate();
    wait_until("draining", || talk.home.observed() == Some("draining"));
    let refused = talk.post("/v1/chat/completions", &chat("x"));
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    talk.model.open();
    assert_eq!(whole(&busy.rest()).status, 200);
    talk.gateway.join().unwrap();
}

#[test]
fn the_drain_timeout_asks_clients_to_retry() {
    for request in [chat("wait"), streamed("wait")] {
        let talk = Talk::configured("gateway: {drain_timeout: 0.2}\n", "");
        let line = ["X-Hermes-Session-Id: whole"];
        let mut busy = talk.send("POST", "/v1/chat/completions", &line, &request);
        wait_until("the model is asked", || talk.model.requests().len() == 1);
        let mut run = None;
        if request["stream"] == true {
            let started = talk.post("/v1/runs", &json!({ "input": "wait" })).json();
            run = started["session_id"].as_str().map(str::to_owned);
            wait_until("the model is asked", || talk.model.requests().len() == 2);
        }
        talk.gateway.terminate();
        let cut = whole(&busy.rest());
        let Talk { home, model, gateway } = talk;
        gateway.join().unwrap();
        if request["stream"] == true {
            let frames = frames(&cut);
            let error: Value = serde_json::from_str(&frames.last().unwrap().1).unwrap();
            assert_eq!(error["error"]["code"], "draining", "{frames:?}");
        } else {
            assert_eq!((cut.status, &cut.json()["error"]["code"]), (503, &json!("draining")));
        }
        model.open();
        let gateway = home.start();
        let talk = Talk { home, model, gateway };
        for session in std::iter::once("whole".to_owned()).chain(run) {
            let found = talk.get(&format!("/api/sessions/{session}")).json();
            assert_eq!(found["busy"], false, "{found}");
            let answer = talk.post(&format!("/api/sessions/{session}/chat"), &json!({ "message": "again" }));
            assert_eq!((answer.status, &answer.json()["text"]), (200, &json!("Hello again")));
        }
        talk.gateway.stop();
    }
}

#[test]
fn a_used_up_budget_is_402_and_degrades_the_gateway() {
    let talk = Talk::configured("budget: {tokens_per_day: 1}\n", "");
    let answer = talk.post("/v1/chat/completions", &chat("x"));
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (402, &json!("insufficient_quota")),
        "{answer:?}"
    );
    assert_eq!(talk.get("/health").json()["state"], "degraded");
    wait_until("the state file says it", || talk.home.observed() == Some("degraded"));
    talk.gateway.stop();
}

#[test]
fn a_corrupt_database_is_set_aside_and_degrades_the_gateway() {
    let talk = Talk::start();
    std::fs::write(talk.home.home.database(&coder()), "no database ".repeat(500)).unwrap();
    assert_eq!(talk.get("/health").json()["state"], "running");
    assert_eq!(talk.post("/v1/chat/completions", &chat("x")).status, 200);
    assert_eq!(talk.get("/health").json()["state"], "degraded");
    wait_until("the state file says it", || talk.home.observed() == Some("degraded"));
    talk.gateway.stop();
}

#[test]
fn pictures_may_be_long_but_not_endless() {
    let talk = Talk::start();
    let url = format!("data:image/png;base64,{}", "aGlo".repeat(512 * 1024));
    let parts = json!([{ "type": "image_url", "image_url": { "url": url } }]);
    let request = json!({ "messages": [{ "role": "user", "content": parts }] });
    assert_eq!(talk.post("/v1/chat/completions", &request).status, 200);
    for (path, most) in [("/api/sessions", 1024 * 1024), ("/v1/chat/completions", 32 * 1024 * 1024)] {
        let mut client = talk.gateway.connect();
        let length = most + 1;
        client.send(&format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
        let refused = client.answer();
        let code = &refused.json()["error"]["code"];
        assert_eq!((refused.status, code), (413, &json!("request_too_large")), "{path}");
    }
    talk.gateway.stop();
}
