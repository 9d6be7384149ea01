//! Questions of other agents: who may ask, what the caller learns, how a question ends.

use hermes_core::ProfileName;
use hermes_core::gateway::agent_keys;
use serde_json::{Value, json};

use super::gateway::{Answer, Client, TestHome, coder, wait_until};
use super::model::FakeModel;
use super::talk::{Talk, frames, whole};

/// Starts the gateway of `coder`, which `writer` may ask and `painter` may not.
fn asked() -> (Talk, String) {
    let (home, model) = (TestHome::new(), FakeModel::start());
    home.make_profile("writer");
    home.make_profile("painter");
    home.configure("coder", "agents: {allow: [writer]}\n");
    model.configure(&home, "");
    let gateway = home.start();
    let talk = Talk { home, model, gateway };
    let key = key(&talk, "writer").expect("a key");
    (talk, key)
}

fn key(talk: &Talk, caller: &str) -> Option<String> {
    let caller = ProfileName::new(caller).unwrap();
    let key = agent_keys::key(&talk.home.home, &caller, &coder()).unwrap();
    key.map(|key| key.reveal().to_owned())
}

fn send(talk: &Talk, key: &str, depth: &str, message: &str) -> Client {
    let lines = [format!("Authorization: Bearer {key}"), format!("X-Hermes-Depth: {depth}")];
    talk.send("POST", "/api/ask", &lines.each_ref().map(String::as_str), &json!({ "message": message }))
}

fn ask(talk: &Talk, key: &str, depth: &str, message: &str) -> Answer {
    whole(&send(talk, key, depth, message).rest())
}

#[test]
fn an_allowed_agent_gets_a_session_of_its_own() {
    let (talk, key) = asked();
    let answer = ask(&talk, &key, "2", "two words");
    assert_eq!(answer.status, 200, "{answer:?}");
    let frames = frames(&answer);
    let names: Vec<_> = frames.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["spent", "answer"]);
    let data = |at: usize| serde_json::from_str::<Value>(&frames[at].1).unwrap();
    assert_eq!((&data(0)["model"], &data(0)["usage"]["input"]), (&json!("fake-model"), &json!(7)));
    assert_eq!(data(1), json!({ "text": "Hello two words", "reason": "end_turn" }));
    let sessions = talk.get("/api/sessions").json();
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
    assert_eq!(sessions["data"][0]["source"], "agent:writer");
    let system = talk.model.requests()[0]["messages"][0]["content"].to_string();
    assert!(system.contains("come from the agent writer, not from a person"), "{system}");
    talk.gateway.stop();
}

#[test]
fn only_the_key_of_the_pair_opens_the_route() {
    let (talk, key_of_writer) = asked();
    assert_eq!(key(&talk, "painter"), None);
    for wrong in ["hk_wrong", &key_of_writer[1..]] {
        assert_eq!(ask(&talk, wrong, "1", "x").status, 401);
    }
    let line = format!("Authorization: Bearer {key_of_writer}");
    let elsewhere = talk.ask("GET", "/api/approvals", &[&line], &Value::Null);
    assert_eq!(elsewhere.status, 401, "the key of a pair opens no other route: {elsewhere:?}");
    assert_eq!(talk.model.requests().len(), 0);
    talk.gateway.stop();
}

#[test]
fn a_restart_replaces_the_keys() {
    let (talk, old) = asked();
    let Talk { home, model, gateway } = talk;
    gateway.stop();
    let gateway = home.start();
    let talk = Talk { home, model, gateway };
    assert_eq!(ask(&talk, &old, "1", "x").status, 401);
    let new = key(&talk, "writer").unwrap();
    assert_eq!(ask(&talk, &new, "1", "x").status, 200);
    talk.gateway.stop();
}

#[test]
fn a_question_behind_three_others_is_refused() {
    let (talk, key) = asked();
    for depth in ["4", "-1", "many", ""] {
        let refused = ask(&talk, &key, depth, "x");
        assert_eq!(
            (refused.status, &refused.json()["error"]["code"]),
            (400, &json!("invalid_request")),
            "{depth}"
        );
    }
    assert_eq!(ask(&talk, &key, "3", "x").status, 200);
    talk.gateway.stop();
}

#[test]
fn a_caller_that_goes_away_interrupts_the_turn() {
    let (talk, key) = asked();
    let client = send(&talk, &key, "1", "wait");
    wait_until("the model is asked", || talk.model.requests().len() == 1);
    drop(client);
    wait_until("the model's connection ends", || talk.model.aborted() == 1);
    talk.gateway.stop();
}
