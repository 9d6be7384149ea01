//! Turns over the API, with a model server of the test.

use serde_json::{Value, json};

use super::gateway::{Answer, Client, Running, TestHome, coder, wait_until};
use super::model::FakeModel;

/// A gateway with a model server.
pub(crate) struct Talk {
    pub(crate) home: TestHome,
    pub(crate) model: FakeModel,
    pub(crate) gateway: Running,
}

impl Talk {
    pub(crate) fn start() -> Self {
        Self::configured("", "")
    }

    fn configured(yaml: &str, dot_env: &str) -> Self {
        let (home, model) = (TestHome::new(), FakeModel::start());
        home.configure("coder", yaml);
        model.configure(&home, dot_env);
        let gateway = home.start();
        Self { home, model, gateway }
    }

    /// Sends a request on a connection of its own.
    fn send(&self, method: &str, path: &str, lines: &[&str], body: &Value) -> Client {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut client = self.gateway.connect();
        client.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{lines}\r\n{body}",
            body.len()
        ));
        client
    }

    pub(crate) fn ask(&self, method: &str, path: &str, lines: &[&str], body: &Value) -> Answer {
        whole(&self.send(method, path, lines, body).rest())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[], body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], &Value::Null)
    }

    fn new_session(&self) -> String {
        let created = self.post("/api/sessions", &json!({}));
        assert_eq!(created.status, 201, "{created:?}");
        created.json()["id"].as_str().unwrap().to_owned()
    }
}

/// Parses a whole answer, its chunks (RFC 9112, section 7.1) joined.
fn whole(bytes: &[u8]) -> Answer {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
    if answer.header("transfer-encoding") == Some("chunked") {
        let (mut rest, mut joined) = (body, String::new());
        while let Some((length, after)) = rest.split_once("\r\n") {
            let length = usize::from_str_radix(length, 16).unwrap();
            joined.push_str(&after[..length]);
            rest = &after[length + 2..];
            if length == 0 {
                break;
            }
        }
        answer.body = joined;
    }
    answer
}

/// Returns the data of all frames of a stream, and their names.
pub(crate) fn frames(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:?}");
    let field = |frame: &str, name: &str| {
        frame.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    let frames = answer.body.split("\n\n").filter(|frame| !frame.is_empty() && !frame.starts_with(':'));
    frames.map(|frame| (field(frame, "event: "), field(frame, "data: "))).collect()
}

fn chat(text: &str) -> Value {
    json!({ "model": "coder", "messages": [{ "role": "user", "content": text }] })
}

fn streamed(text: &str) -> Value {
    let mut request = chat(text);
    request["stream"] = true.into();
    request
}

#[test]
fn a_completion_answers_as_openai_does() {
    let talk = Talk::start();
    let answer = talk.post("/v1/chat/completions", &chat("world"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-hermes-completed"), Some("true"));
    assert_eq!(answer.header("x-hermes-session-id"), None, "the client holds the conversation");
    let completion = answer.json();
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["model"], "coder");
    let choice = json!({
        "index": 0, "logprobs": null, "finish_reason": "stop",
        "message": { "role": "assistant", "content": "Hello world", "refusal": null },
    });
    assert_eq!(completion["choices"], json!([choice]));
    assert_eq!(completion["usage"]["total_tokens"], 10);
    assert_eq!(talk.get("/api/sessions").json()["data"], json!([]), "no session stays");
    talk.gateway.stop();
}

#[test]
fn the_clients_messages_are_the_conversation() {
    let talk = Talk::start();
    let picture = "data:image/png;base64,aGk=";
    let request = json!({
        "messages": [
            { "role": "system", "content": "Speak like a pirate." },
            { "role": "user", "content": "one" },
            { "role": "assistant", "content": "two" },
            { "role": "user", "content": [
                { "type": "text", "text": "three" },
                { "type": "image_url", "image_url": { "url": picture } },
            ] },
        ],
        "temperature": 0.3, "unknown_field": { "x": 1 },
    });
    assert_eq!(talk.post("/v1/chat/completions", &request).status, 200);
    let sent = &talk.model.requests()[0]["messages"];
    let text = sent.to_string();
    for part in ["Speak like a pirate.", "You are.", "one", "two", "three", picture] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let roles: Vec<_> =
        sent.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles[roles.len() - 3..], ["user", "assistant", "user"]);
    talk.gateway.stop();
}

#[test]
fn a_streamed_completion_ends_with_its_usage() {
    let talk = Talk::start();
    let mut request = streamed("world");
    request["stream_options"] = json!({ "include_usage": true });
    let answer = talk.post("/v1/chat/completions", &request);
    let data: Vec<_> = frames(&answer).into_iter().map(|(_, data)| data).collect();
    let (done, chunks) = data.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["id"] != ""));
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Hello world");
    let [.., end, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!((&usage["choices"], &usage["usage"]["prompt_tokens"]), (&json!([]), &json!(7)));
    talk.gateway.stop();
}

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
fn wrong_requests_are_refused_with_the_reason() {
    let talk = Talk::start();
    let url = json!([{ "type": "image_url", "image_url": { "url": "https://evil.example/x.png" } }]);
    let cases = [
        (json!({}), 400, "the last message must be the user's"),
        (json!({ "messages": [{ "role": "user", "content": " " }] }), 400, "not empty"),
        (json!({ "messages": [{ "role": "robot", "content": "x" }] }), 400, "\"robot\""),
        (json!({ "messages": [{ "role": "user", "content": url }] }), 400, "data URL"),
        (json!({ "messages": 7 }), 400, "invalid type"),
        (json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "x" }] }), 404, "coder"),
    ];
    for (request, status, words) in cases {
        let answer = talk.post("/v1/chat/completions", &request);
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{request}: {message}");
    }
    assert!(talk.model.requests().is_empty());
    talk.gateway.stop();
}

#[test]
fn a_provider_error_has_its_status_whole_and_streamed() {
    let talk = Talk::start();
    for request in [chat("refuse"), streamed("refuse")] {
        let answer = talk.post("/v1/chat/completions", &request);
        assert_eq!(answer.status, 502, "{answer:?}");
        let error = &answer.json()["error"];
        assert_eq!((&error["code"], &error["type"]), (&json!("provider_error"), &json!("server_error")));
        assert!(!answer.body.contains("test-provider-key"), "{answer:?}");
    }
    let metrics = talk.get("/metrics").body;
    assert!(metrics.contains("hermes_gateway_provider_errors_total{class=\"invalid\"} 2"), "{metrics}");
    talk.gateway.stop();
}

#[test]
fn without_a_model_the_error_names_the_setting() {
    let home = TestHome::new();
    let gateway = home.start();
    let (home, model) = (home, FakeModel::start());
    let talk = Talk { home, model, gateway };
    let answer = talk.post("/v1/chat/completions", &chat("x"));
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("agent_unavailable")));
    // New settings need no restart.
    talk.model.configure(&talk.home, "");
    assert_eq!(talk.post("/v1/chat/completions", &chat("x")).status, 200);
    talk.gateway.stop();
}

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
    let refused = talk.post(&path, &json!({ "message": "x" }));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &json!("session_busy")));
    let refused = talk.ask("DELETE", &format!("/api/sessions/{id}"), &[], &Value::Null);
    assert_eq!(refused.status, 409, "{refused:?}");
    talk.model.open();
    assert_eq!(whole(&busy.rest()).status, 200);
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
fn a_run_goes_on_without_a_connection() {
    let talk = Talk::start();
    let started = talk.post("/v1/runs", &json!({ "input": "wait" }));
    assert_eq!(started.status, 202, "{started:?}");
    let run = started.json();
    assert_eq!(run["status"], "running");
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
    wait_until("the model is asked", || talk.model.requests().len() == 1);
    assert_eq!(talk.post(&format!("{path}/stop"), &Value::Null).status, 200);
    wait_until("it is cancelled", || talk.get(&path).json()["status"] == "cancelled");
    let session = run["session_id"].as_str().unwrap();
    let messages = talk.get(&format!("/api/sessions/{session}/messages")).json();
    assert_eq!(messages["data"][1]["interrupted"], true, "{messages}");
    talk.gateway.stop();
}

#[test]
fn an_idempotency_key_answers_again_after_a_restart() {
    let talk = Talk::start();
    let key = ["Idempotency-Key: key-1"];
    let first = talk.ask("POST", "/v1/chat/completions", &key, &chat("once"));
    let again = talk.ask("POST", "/v1/chat/completions", &key, &chat("once"));
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = talk.ask("POST", "/v1/chat/completions", &key, &chat("other"));
    assert_eq!((other.status, &other.json()["error"]["code"]), (422, &json!("idempotency_key_reused")));
    let key = ["Idempotency-Key: key-2"];
    let stream = talk.ask("POST", "/v1/chat/completions", &key, &streamed("twice"));
    let Talk { home, model, gateway } = talk;
    gateway.stop();
    let gateway = home.start();
    let talk = Talk { home, model, gateway };
    let replayed = talk.ask("POST", "/v1/chat/completions", &key, &streamed("twice"));
    assert_eq!(frames(&replayed), frames(&stream));
    assert_eq!(talk.model.requests().len(), 2);
    talk.gateway.stop();
}

#[test]
fn a_request_that_failed_may_be_repeated_with_its_key() {
    let talk = Talk::start();
    let key = ["Idempotency-Key: key-1"];
    for count in 1..=2 {
        assert_eq!(talk.ask("POST", "/v1/chat/completions", &key, &chat("refuse")).status, 502);
        assert_eq!(talk.model.requests().len(), count);
    }
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
fn metrics_count_turns_and_tokens() {
    let talk = Talk::start();
    for text in ["one", "long"] {
        assert_eq!(talk.post("/v1/chat/completions", &chat(text)).status, 200);
    }
    let metrics = talk.get("/metrics").body;
    for line in [
        "hermes_gateway_turns_total{reason=\"end_turn\"} 1",
        "hermes_gateway_turns_total{reason=\"max_tokens\"} 1",
        "hermes_gateway_tokens_total{model=\"fake-model\",kind=\"input\"} 14",
        "hermes_gateway_tokens_total{model=\"fake-model\",kind=\"output\"} 6",
        "hermes_gateway_first_token_seconds_count 2",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} is not in\n{metrics}");
    }
    assert!(talk.home.home.database(&coder()).exists());
    talk.gateway.stop();
}
