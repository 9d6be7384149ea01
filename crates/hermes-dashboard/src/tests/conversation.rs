//! The conversation on the page of an agent, against a gateway of the test.

use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::StreamExt as _;
use hermes_core::gateway::api_key;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::fake_gateway::FakeGateway;
use super::fixture::{Dashboard, LoggedIn, request};

struct Talk {
    dashboard: Dashboard,
    gateway: FakeGateway,
    me: LoggedIn,
}

impl Talk {
    fn start() -> Self {
        let dashboard = Dashboard::new();
        let coder = dashboard.profile("coder");
        let gateway = FakeGateway::start(&dashboard.home.gateway_socket(&coder));
        let me = dashboard.log_in();
        Self { dashboard, gateway, me }
    }

    async fn page(&self, query: &str) -> String {
        self.dashboard.get(&format!("/profiles/coder{query}"), Some(&self.me)).await.is(200).text()
    }
}

fn session(busy: bool) -> Value {
    json!({"id": "s1", "title": "<i>Plans", "preview": "hi", "active_at": 1_764_000_000_000_i64, "busy": busy})
}

fn message(id: i64, role: &str, text: &str) -> Value {
    json!({"id": id, "role": role, "at": 0, "blocks": [{"type": "text", "text": text}]})
}

#[tokio::test]
async fn the_page_leads_with_rendered_messages() {
    let talk = Talk::start();
    let messages = json!([
        message(1, "user", "<script>mine</script>"),
        message(2, "assistant", "# Title\n\na <script>alert(1)</script> [x](javascript:alert(1)) **bold**"),
        {"id": 3, "role": "assistant", "blocks": [
            {"type": "tool_call", "id": "c", "name": "<b>terminal", "arguments": "{\"command\": \"</pre><img>\"}"}]},
        {"id": 4, "role": "tool", "blocks": [{"type": "tool_result", "call_id": "c", "content": "</pre><script>"}]},
    ]);
    talk.gateway.set_session(&session(false), &messages);
    let page = talk.page("").await;
    for text in [
        "&#60;i&#62;Plans",
        "&lt;script&gt;mine&lt;/script&gt;",
        "<h3>Title</h3>",
        "a &lt;script&gt;alert(1)&lt;/script&gt; x (javascript:alert(1)) <strong>bold</strong>",
        "&#60;b&#62;terminal",
        "&#60;/pre&#62;&#60;script&#62;",
        "data-session=\"s1\"",
    ] {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
    assert!(!page.contains("<script>") && !page.contains("<img>"), "{page}");
    let (talk_at, log_at) = (page.find("id=\"talk\"").unwrap(), page.find("id=\"log\"").unwrap());
    assert!(talk_at < log_at);
}

#[tokio::test]
async fn a_gateway_that_is_down_leaves_a_sentence_and_start() {
    let dashboard = Dashboard::new();
    dashboard.profile("coder");
    let me = dashboard.log_in();
    let page = dashboard.get("/profiles/coder", Some(&me)).await.is(200).text();
    assert!(page.contains("The gateway of coder is not running."), "{page}");
    assert!(page.contains(">Start coder</button>"), "{page}");
    let said =
        dashboard.call("POST", "/api/profiles/coder/messages", &me, &json!({"text": "hi"})).await.is(503);
    assert_eq!(said.json()["error"], "The gateway of coder is not running");
}

#[tokio::test]
async fn refusals_of_the_gateway_are_sentences() {
    let talk = Talk::start();
    let refuse = |status: u16, code: &str, message: &str| {
        talk.gateway.set("POST /v1/runs", status, json!({"error": {"code": code, "message": message}}));
    };
    for (status, code, message, hint, answer) in [
        (429, "rate_limit_exceeded", "10 turns run", "try again in a moment", 503),
        (503, "agent_unavailable", "no model is configured", "hermes setup", 503),
        (409, "session_busy", "a turn runs in hermes chat", "", 409),
    ] {
        refuse(status, code, message);
        let said = talk
            .dashboard
            .call("POST", "/api/profiles/coder/messages", &talk.me, &json!({"text": "hi"}))
            .await;
        let said = said.is(answer).json();
        assert_eq!(said["error"], message);
        assert!(said["hint"].as_str().unwrap_or_default().contains(hint), "{said}");
    }
    talk.gateway.set(
        "GET /api/sessions?",
        503,
        json!({"error": {"code": "agent_unavailable", "message": "no <model>; set A\nask: hermes setup"}}),
    );
    let page = talk.page("").await;
    assert!(
        page.contains("no &#60;model&#62;.") && page.contains("Hint: set A; ask: hermes setup."),
        "{page}"
    );
    assert!(!page.contains(">Start coder<"), "{page}");
}

#[tokio::test]
async fn a_form_waits_for_the_answer_and_leads_to_it() {
    let talk = Talk::start();
    talk.gateway.set("POST /v1/runs", 202, json!({"run_id": "run_1", "session_id": "s1"}));
    let fields = [("session", "new"), ("text", "one\r\ntwo")];
    let mut sending = Box::pin(talk.dashboard.submit("/profiles/coder/messages", &talk.me, &fields));
    let following = async {
        while talk.gateway.got("GET /v1/runs/run_1/events").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = &mut sending => panic!("{answer:?}"),
        () = following => {}
    }
    talk.gateway.send("event: assistant.delta\ndata: {\"delta\": \"event: run.completed\"}\n\n");
    talk.gateway.send("event: run.com");
    talk.gateway.send("pleted\ndata: {}\n\n");
    // A form that misses the end waits 15 s.
    let answer = tokio::time::timeout(Duration::from_secs(10), sending).await.unwrap().is(303);
    assert_eq!(answer.header("location"), "/profiles/coder?session=s1#say");
    let sent = talk.gateway.got("POST /v1/runs");
    assert_eq!(sent[0].body["input"][0]["content"], json!([{"type": "text", "text": "one\ntwo"}]));
    assert_eq!(sent[0].body["session_id"], Value::Null);
    talk.dashboard.submit("/profiles/coder/messages", &talk.me, &[("text", " \r\n")]).await.is(422);
}

#[tokio::test]
async fn a_message_to_a_running_turn_goes_into_it() {
    let talk = Talk::start();
    talk.gateway.set("GET /v1/runs?", 200, json!({"data": [{"run_id": "run_1", "status": "running"}]}));
    talk.gateway.set("POST /api/sessions/s1/chat", 202, json!({"status": "steered"}));
    let body = json!({"session": "s1", "text": "2", "pictures": ["data:image/png;base64,AA=="]});
    let sent = talk.dashboard.call("POST", "/api/profiles/coder/messages", &talk.me, &body).await.is(202);
    assert_eq!(sent.json(), json!({"session": "s1", "run": null}));
    let got = talk.gateway.got("POST /api/sessions/s1/chat");
    assert_eq!(got[0].body["message"][1]["image_url"]["url"], "data:image/png;base64,AA==");
    assert!(talk.gateway.got("POST /v1/runs").is_empty());
}

#[tokio::test]
async fn a_busy_session_shows_its_questions_and_stops() {
    let talk = Talk::start();
    let messages = json!([message(1, "user", "go"), {"id": 2, "role": "assistant", "blocks": [
        {"type": "tool_call", "id": "c", "name": "clarify", "arguments": "{\"question\":\"Which <one>?\",\"choices\":[\"<a>\"]}"}]}]);
    talk.gateway.set_session(&session(true), &messages);
    talk.gateway.set("GET /v1/runs?", 200, json!({"data": [{"run_id": "run_1", "status": "running"}]}));
    let waiting = json!({"id": "appr_1", "session_id": "s1", "tool": "terminal", "subject": "rm <x>", "message": "It deletes."});
    let elsewhere =
        json!({"id": "appr_2", "session_id": "s2", "tool": "terminal", "subject": "other", "message": ""});
    talk.gateway.set("GET /api/approvals", 200, json!({"data": [waiting, elsewhere]}));
    let page = talk.page("?session=s1").await;
    for text in [
        "The agent answers.",
        "rm &#60;x&#62;",
        "Which &#60;one&#62;?",
        "&#60;a&#62;</button>",
        "data-run=\"run_1\"",
        "Stop the answer",
    ] {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
    assert!(!page.contains("appr_2"), "{page}");
    talk.gateway.set("POST /api/approvals/appr_1", 200, json!({}));
    let choice = [("session", "s1"), ("choice", "deny")];
    talk.dashboard.submit("/profiles/coder/approvals/appr_1", &talk.me, &choice).await.is(303);
    let coder = hermes_core::ProfileName::new("coder").unwrap();
    let key = api_key::generated(&talk.dashboard.home.api_key(&coder)).unwrap().unwrap();
    let got = &talk.gateway.got("POST /api/approvals/appr_1")[0];
    assert_eq!(
        (got.body.clone(), got.key.as_str()),
        (json!({"choice": "deny"}), format!("Bearer {}", key.reveal()).as_str())
    );
    talk.gateway.set("POST /v1/runs/run_1/stop", 200, json!({}));
    talk.dashboard.submit("/profiles/coder/sessions/s1", &talk.me, &[("do", "stop")]).await.is(303);
    assert_eq!(talk.gateway.got("POST /v1/runs/run_1/stop").len(), 1);
}

#[tokio::test]
async fn a_token_passes_through_at_once() {
    let talk = Talk::start();
    let sent =
        request("GET", "/api/profiles/coder/runs/run_1/events", Some(&talk.me)).body(Body::empty()).unwrap();
    let response = talk.dashboard.router.clone().oneshot(sent).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut pieces = response.into_body().into_data_stream();
    let mut fastest = Duration::MAX;
    for count in 0..20 {
        let frame = format!("event: assistant.delta\ndata: {{\"delta\": \"{count}\"}}\n\n");
        let began = Instant::now();
        talk.gateway.send(&frame);
        let mut got = Vec::new();
        while got.len() < frame.len() {
            got.extend_from_slice(&pieces.next().await.unwrap().unwrap());
        }
        fastest = fastest.min(began.elapsed());
        assert_eq!(got, frame.as_bytes());
    }
    // A stream that collects has no fast piece. A busy machine has slow ones.
    assert!(fastest < Duration::from_millis(20), "{fastest:?}");
    talk.dashboard.site.sessions.end(
        &talk
            .dashboard
            .site
            .sessions
            .find(talk.me.cookie.split_once('=').unwrap().1, std::time::SystemTime::now())
            .unwrap(),
    );
    let last = tokio::time::timeout(Duration::from_secs(20), pieces.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(last, "event: logout\ndata: null\n\n");
    assert!(pieces.next().await.is_none());
}

#[tokio::test]
async fn sessions_are_renamed_exported_and_deleted_with_a_question() {
    let talk = Talk::start();
    // The latest rule counts, so the longer paths follow.
    talk.gateway.set("GET /api/sessions/s1", 200, session(false));
    talk.gateway.set(
        "GET /api/sessions/s1/messages?after=0",
        200,
        json!({"data": [message(7, "user", "hi")]}),
    );
    talk.gateway.set("GET /api/sessions/s1/messages?after=7", 200, json!({"data": []}));
    talk.gateway.set("PATCH /api/sessions/s1", 200, json!({}));
    talk.gateway.set("DELETE /api/sessions/s1", 200, json!({}));
    let path = "/profiles/coder/sessions/s1";
    talk.dashboard.submit(path, &talk.me, &[("do", "rename"), ("title", " New ")]).await.is(303);
    assert_eq!(talk.gateway.got("PATCH")[0].body, json!({"title": "New"}));
    let exported = talk.dashboard.get(&format!("{path}/export"), Some(&talk.me)).await.is(200);
    assert_eq!(exported.header("content-disposition"), "attachment; filename=\"coder-s1.json\"");
    assert_eq!(exported.json()["messages"][0]["id"], 7);
    let asked = talk.dashboard.get(&format!("{path}/delete"), Some(&talk.me)).await.is(200).text();
    assert!(asked.contains("Delete this session?") && talk.gateway.got("DELETE").is_empty());
    talk.dashboard.submit(&format!("{path}/delete"), &talk.me, &[]).await.is(303);
    assert_eq!(talk.gateway.got("DELETE").len(), 1);
    for id in ["..", "a%2fb", "a%20b", "%3Cb%3E", &"x".repeat(200)] {
        let path = format!("/profiles/coder/sessions/{id}/delete");
        let status = talk.dashboard.submit(&path, &talk.me, &[]).await.status.as_u16();
        assert!(matches!(status, 404 | 405), "{id}: {status}");
    }
    assert_eq!(talk.gateway.got("DELETE").len(), 1);
}

#[tokio::test]
async fn the_last_message_can_be_edited_or_sent_again() {
    let talk = Talk::start();
    talk.gateway.set_session(&session(false), &json!([message(1, "user", "hi")]));
    let taken = json!({"blocks": [{"type": "text", "text": "</textarea><b>hi"}]});
    talk.gateway.set("POST /api/sessions/s1/undo", 200, taken);
    let path = "/profiles/coder/sessions/s1";
    let page = talk.dashboard.submit(path, &talk.me, &[("do", "edit")]).await.is(200).text();
    assert!(page.contains("&#60;/textarea&#62;&#60;b&#62;hi</textarea>"), "{page}");
    talk.gateway.set("POST /v1/runs", 202, json!({"run_id": "run_2", "session_id": "s1"}));
    talk.dashboard.submit(path, &talk.me, &[("do", "retry"), ("wait", "no")]).await.is(303);
    let sent = &talk.gateway.got("POST /v1/runs")[0].body;
    assert_eq!(
        (&sent["input"][0]["content"][0]["text"], &sent["session_id"]),
        (&json!("</textarea><b>hi"), &json!("s1"))
    );
}

#[tokio::test]
async fn long_sessions_are_pages_of_200_messages() {
    let talk = Talk::start();
    let messages: Vec<_> = (10..=210).map(|id| message(id, "user", &format!("text {id}."))).collect();
    talk.gateway.set_session(&session(false), &json!(messages));
    let page = talk.page("?session=s1").await;
    assert!(!page.contains("text 10.") && page.contains("text 11.") && page.contains("text 210."), "{page}");
    assert!(page.contains("session=s1&amp;before=11"), "{page}");
    let asked = talk.gateway.got("GET /api/sessions/s1/messages");
    assert!(asked[0].line.ends_with("limit=201"), "{asked:?}");
    let old = talk.page("?session=s1&before=11").await;
    assert!(old.contains("Newest messages"), "{old}");
    assert!(talk.gateway.got("GET /api/sessions/s1/messages?before=11&").len() == 1);
}

#[tokio::test]
async fn a_turn_has_a_page_with_its_time_line() {
    let talk = Talk::start();
    let mut asked = message(1, "user", "hi");
    asked["turn"] = 5.into();
    talk.gateway.set_session(&session(false), &json!([asked]));
    let page = talk.page("").await;
    assert!(page.contains("href=\"/profiles/coder/turns/5\""), "{page}");
    let usage = json!({"input": 100, "cached": 40, "output": 7});
    let call = json!({"at": 1500, "model": "<m>", "usage": usage, "usd": 0.25});
    let record = json!({"session": "s1", "owner": "the <gateway>", "started_at": 1000, "ended_at": 3500, "reason": "end_turn",
        "model_calls": [call], "tool_runs": [], "usage": usage, "usd": 0.25});
    talk.gateway.set("GET /api/turns/5", 200, record);
    let page = talk.dashboard.get("/profiles/coder/turns/5", Some(&talk.me)).await.is(200).text();
    for text in [
        "the &#60;gateway&#62;",
        "Ended after 2.500 s: end_turn",
        "&#60;m&#62;",
        "40 cached, 60 fresh, 7 output, 0.2500 USD",
    ] {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
    for turn in ["x", "6", "-1"] {
        talk.dashboard.get(&format!("/profiles/coder/turns/{turn}"), Some(&talk.me)).await.is(404);
    }
}

#[tokio::test]
async fn the_usage_has_cached_and_fresh_tokens_of_each_day() {
    let talk = Talk::start();
    let day = json!({"day": "2026-11-28", "calls": 3, "usage": {"input": 100, "cached": 40, "output": 7}, "usd": null});
    let budget = json!({"tokens": 107, "usd": 0.0, "tokens_per_day": 1000, "usd_per_day": null});
    talk.gateway.set("GET /api/usage", 200, json!({"data": [day], "budget": budget}));
    let page = talk.dashboard.get("/profiles/coder/usage", Some(&talk.me)).await.is(200).text();
    let row = "<th scope=\"row\">2026-11-28</th><td>3</td><td>40</td><td>60</td><td>7</td><td>unknown</td>";
    assert!(page.contains(row) && page.contains("107 of 1000 tokens"), "{page}");
}
