//! The API of a gateway through unmodified clients, outside of the container: the package `openai`, and `curl`.
//! The package `anthropic` checks the protocol of the stand-in itself.

mod clients;

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, Look, StandIn, docker_test, secs, wait_until};
use serde_json::{Value, json};

use crate::support::driving::hermes;
use crate::support::gateways::gateway_is;

use self::clients::{Curl, find, python};

const PORT: u16 = 8642;

/// A gateway whose port is published, and its model server.
struct Agent {
    model: StandIn,
    /// Removes the container at the end of the test.
    container: Container,
    /// The address without a path.
    url: String,
    key: String,
}

impl Agent {
    /// Starts a gateway.
    async fn start() -> Result<Self> {
        let model = StandIn::start().await?;
        let builder =
            Container::builder().env("API_SERVER_HOST", "0.0.0.0").publish(PORT).cmd(["gateway", "run"]);
        let container = model.model_of(builder).start_ready().await?;
        container.wait_until("the gateway runs", gateway_is("default", "running"), secs(10)).await?;
        let key = hermes(&container, "gateway key show").await?.success().text();
        let url = format!("http://127.0.0.1:{}", container.published_port(PORT).await?);
        Ok(Self { model, container, url, key })
    }

    /// Runs a script of the package `openai`.
    async fn openai(&self, script: &str, variables: &[(&str, &str)]) -> Result<Vec<Value>> {
        let url = format!("{}/v1", self.url);
        let own = [("URL", url.as_str()), ("KEY", &self.key)];
        let printed = python("openai", script, &[&own, variables].concat()).await;
        printed.with_context(|| format!("the model got {:#?}", self.model.requests()))
    }

    async fn curl(&self) -> Result<Curl> {
        Curl::new(&self.url, &self.key).await
    }

    /// Returns the conversations that the model got, in order: the texts of each one without the system prompt.
    fn conversations(&self) -> Vec<Vec<String>> {
        let texts = |request: &Value| {
            let messages = request["body"]["messages"].as_array().cloned().unwrap_or_default();
            let others = messages.iter().filter(|message| message["role"] != "system");
            others.map(|message| message["content"].as_str().unwrap_or_default().to_owned()).collect()
        };
        self.model.requests().iter().map(texts).collect()
    }

    /// Waits until the model got this number of calls. A run is running before its call arrives.
    async fn calls_began(&self, count: usize) -> Result<()> {
        let began = async || {
            let found = self.model.requests().len();
            Ok(Look::holds(found == count, || format!("{found} calls")))
        };
        Ok(wait_until(format!("the model got {count} calls"), began, secs(10)).await?)
    }

    /// Waits until the calls of the model ended so.
    async fn calls_ended(&self, expected: &[&str]) -> Result<()> {
        let ended = async || {
            let requests = self.model.requests();
            let outcomes: Vec<_> = requests.iter().map(|request| request["outcome"].clone()).collect();
            Ok(Look::holds(outcomes == expected, || format!("{outcomes:?}")))
        };
        Ok(wait_until(format!("the calls ended as {expected:?}"), ended, secs(10)).await?)
    }
}

/// Compares the printed values one by one.
#[track_caller]
fn printed(found: &[Value], expected: &Value) -> Result<()> {
    let expected = expected.as_array().map(Vec::as_slice).unwrap_or_default();
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        ensure!(found == expected, "line {number} is\n{found}, and not\n{expected}");
    }
    ensure!(found.len() == expected.len(), "{} lines, and not {}: {found:#?}", found.len(), expected.len());
    Ok(())
}

/// Returns the body of a chat with one message.
fn chat(text: &str, is_streamed: bool) -> String {
    json!({"stream": is_streamed, "messages": [{"role": "user", "content": text}]}).to_string()
}

#[docker_test]
async fn openai_chats_streams_and_remembers_a_session() -> Result<()> {
    find("openai").await?;
    let agent = Agent::start().await?;
    let usage = json!({"input": 40, "output": 2});
    agent.model.script(&json!([
        {"text": "A whole answer.", "usage": usage},
        {"text": "A streamed answer.", "chunk_bytes": 3, "usage": usage},
        {"text": "An assembled answer."}, {"text": "Noted."}, {"text": "Remembered."}, {"text": "Once."},
    ]))?;
    let found = agent.openai("openai_chat.py", &[]).await?;
    printed(
        &found,
        &json!([
            [["hermes-agent"], "hermes"],
            ["assistant", "A whole answer.", "stop", 42],
            ["A streamed answer.", 6, "stop", 42],
            ["An assembled answer."],
            ["colours", "Noted."],
            ["colours", "Remembered."],
            [null, "Once."],
            ["true", "Once."],
            ["idempotency_key_reused"],
        ]),
    )?;
    let conversations = agent.conversations();
    let expected: [&[&str]; 6] = [
        &["whole"],
        &["streamed"],
        &["assembled"],
        &["first"],
        &["first", "Noted.", "second"],
        &["only once"],
    ];
    ensure!(conversations == expected, "{conversations:#?}");
    for request in agent.model.requests() {
        let (headers, body) = (&request["headers"], &request["body"]);
        ensure!(headers["authorization"] == "Bearer stand-in" && body["model"] == "stand-in", "{request:#}");
        ensure!(
            !request.to_string().contains(&agent.key),
            "the model got the key of the gateway: {request:#}"
        );
        let is_plain = body["messages"].to_string().contains("assembled");
        let prompt = body["messages"][0]["content"].as_str().unwrap_or_default();
        ensure!(prompt.contains("You are a helpful personal assistant"), "{request:#}");
        ensure!(is_plain || request.to_string().contains("Be short."), "{request:#}");
    }
    Ok(())
}

#[docker_test]
async fn openai_reads_responses_whole_and_streamed() -> Result<()> {
    find("openai").await?;
    let agent = Agent::start().await?;
    agent.model.script(&json!([
        {"text": "One.", "usage": {"input": 40, "output": 2}}, {"text": "Two, in pieces.", "chunk_bytes": 4}, {"text": "Three."},
    ]))?;
    let found = agent.openai("openai_responses.py", &[]).await?;
    let events = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    printed(
        &found,
        &json!([
            ["One.", "completed", 42],
            ["Two, in pieces.", events, true],
            ["Three."],
            ["Two, in pieces."],
            ["response_not_newest"],
            ["response_not_found"],
        ]),
    )?;
    let conversations = agent.conversations();
    let expected: [&[&str]; 3] = [&["first"], &["first", "One.", "second"], &["third"]];
    ensure!(conversations == expected, "{conversations:#?}");
    let prompts =
        agent.model.requests().into_iter().map(|request| request["body"]["messages"][0].to_string());
    let instructed: Vec<_> = prompts.map(|prompt| prompt.contains("Be short.")).collect();
    ensure!(instructed == [true, true, false], "{instructed:?}");
    Ok(())
}

#[docker_test]
async fn openai_raises_an_error_of_each_class() -> Result<()> {
    find("openai").await?;
    let agent = Agent::start().await?;
    agent.model.script(&json!([
        {"fault": "status", "status": 401, "message": "Incorrect API key: stand-in."},
        {"fault": "status", "status": 404},
        {"fault": "status", "status": 402},
        {"fault": "status", "status": 429, "retry_after": 3600},
        {"fault": "status", "status": 503, "retry_after": 3600},
        {"fault": "context_too_long", "words": "vllm"},
        {"fault": "error_in_stream", "message": "it broke", "text": "It begins."},
        {"fault": "error_in_stream", "message": "it broke", "text": "It begins."},
    ]))?;
    let mut found = agent.openai("openai_errors.py", &[("FAULTS", "6")]).await?;
    let messages: Vec<_> = found.iter_mut().filter_map(|line| line.as_array_mut()?.pop()).collect();
    printed(
        &found,
        &json!([
            ["AuthenticationError", 401, "invalid_api_key"],
            ["NotFoundError", 404, "model_not_found"],
            ["NotFoundError", 404, "model_not_found"],
            ["BadRequestError", 400, "invalid_request"],
            ["NotFoundError", 404, "not_found"],
            ["InternalServerError", 502, "provider_authentication"],
            ["InternalServerError", 502, "provider_error"],
            ["APIStatusError", 402, "insufficient_quota"],
            ["RateLimitError", 429, "provider_rate_limit"],
            ["InternalServerError", 503, "provider_unavailable"],
            ["BadRequestError", 400, "context_length_exceeded"],
            ["APIError", null, "provider_unavailable"],
            ["response.failed", null, "provider_unavailable"],
        ]),
    )
    .with_context(|| format!("{messages:#?}"))?;
    let says =
        |number: usize, text: &str| messages[number].as_str().is_some_and(|found| found.contains(text));
    ensure!(
        says(0, "hermes gateway key show") && says(2, "gpt-9") && says(5, "API key: [key]."),
        "{messages:#?}"
    );
    ensure!(says(11, "it broke") && says(12, "it broke"), "{messages:#?}");
    // The first five requests are wrong, and the model does not get them.
    ensure!(agent.model.requests().len() == 8, "{:#?}", agent.model.requests());
    Ok(())
}

#[docker_test]
async fn a_closed_stream_ends_the_call_of_the_model() -> Result<()> {
    find("openai").await?;
    let agent = Agent::start().await?;
    let endless = json!({"fault": "stall_after_bytes", "after_bytes": 1500, "text": "word ".repeat(500)});
    agent.model.script(&json!([endless, endless, {"text": "Free again."}, endless]))?;
    let found = agent.openai("openai_close.py", &[]).await?;
    printed(&found, &json!([["session_busy", found[0][1]], ["Free again."]]))?;
    agent.calls_ended(&["closed_by_client", "closed_by_client", "complete"]).await?;
    let body = chat("go on", true);
    let curl = agent.curl().await?;
    let mut request = curl.begin("/v1/chat/completions", &["--data", &body], "word").await?;
    request.kill().await?;
    agent.calls_ended(&["closed_by_client", "closed_by_client", "complete", "closed_by_client"]).await?;
    // The text so far stays in the stored session.
    let messages = curl.json("/api/sessions/long/messages", &[]).await?;
    let answer = &messages["data"][1];
    ensure!(answer["interrupted"] == true, "{messages:#}");
    ensure!(answer["content"].as_str().is_some_and(|text| text.starts_with("word word")), "{messages:#}");
    Ok(())
}

#[docker_test]
async fn curl_lists_models_and_chats() -> Result<()> {
    let agent = Agent::start().await?;
    agent.model.script(&json!([{"text": "Whole."}, {"text": "In pieces.", "chunk_bytes": 5}]))?;
    let curl = agent.curl().await?;
    let models = curl.json("/v1/models", &[]).await?;
    ensure!(models["object"] == "list" && models["data"][0]["id"] == "hermes-agent", "{models}");
    let whole = curl.json("/v1/chat/completions", &["--data", &chat("one", false)]).await?;
    ensure!(whole["choices"][0]["message"]["content"] == "Whole.", "{whole}");
    let events = curl.events("/v1/chat/completions", &["--data", &chat("two", true)]).await?;
    let (last, chunks) = events.split_last().context("events")?;
    ensure!(last.1 == "[DONE]", "{events:#?}");
    let pieces = chunks.iter().filter_map(|(_, chunk)| chunk["choices"][0]["delta"]["content"].as_str());
    let pieces: Vec<_> = pieces.filter(|piece| !piece.is_empty()).collect();
    ensure!(pieces == ["In pi", "eces."], "{events:#?}");
    ensure!(agent.conversations() == [["one"], ["two"]], "{:#?}", agent.conversations());
    // Everybody may ask for the health, and nobody for more.
    let stranger = Curl::new(&agent.url, "").await?;
    ensure!(stranger.json("/health", &[]).await?["status"] == "ok");
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    for path in
        ["/v1/models", "/v1/runs/x", "/v1/runs/x/events", "/api/sessions", "/v1/responses/x", "/nowhere"]
    {
        let refused = stranger.text(path, &status).await?;
        ensure!(refused == "401", "{path}: {refused}");
    }
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/runs", "/api/sessions", "/api/sessions/x/chat"]
    {
        let refused =
            stranger.text(path, &[&status[..], &["--data", &chat("three", false)]].concat()).await?;
        ensure!(refused == "401", "{path}: {refused}");
    }
    ensure!(agent.model.requests().len() == 2, "{:#?}", agent.model.requests());
    Ok(())
}

#[docker_test]
async fn curl_follows_a_run_and_stops_another() -> Result<()> {
    let agent = Agent::start().await?;
    agent.model.script(&json!([{"text": "1, 2, 3", "chunk_bytes": 3}, {"fault": "stall"}]))?;
    let curl = agent.curl().await?;
    let start = async |text: &str| {
        let body = json!({ "input": text }).to_string();
        let run = curl.json("/v1/runs", &["--data", &body]).await?;
        ensure!(run["status"] == "running", "{run}");
        Ok(format!("/v1/runs/{}", run["run_id"].as_str().context("run_id")?))
    };
    let run = start("Count.").await?;
    let names = |events: &[(String, Value)]| events.iter().map(|event| event.0.clone()).collect::<Vec<_>>();
    let events = curl.events(&format!("{run}/events"), &[]).await?;
    let deltas = ["assistant.delta"; 3];
    let expected = [&["run.started"], &deltas[..], &["run.completed"]].concat();
    ensure!(names(&events) == expected, "{events:#?}");
    ensure!(events[4].1["text"] == "1, 2, 3" && events[4].1["reason"] == "end_turn", "{events:#?}");
    // A late listener gets the same events.
    ensure!(curl.events(&format!("{run}/events"), &[]).await? == events);
    let ended = curl.json(&run, &[]).await?;
    ensure!(ended["status"] == "completed" && ended["output"] == "1, 2, 3", "{ended}");

    let run = start("Wait.").await?;
    agent.calls_began(2).await?;
    let stopped = curl.text(&format!("{run}/stop"), &["--request", "POST", "--fail"]).await?;
    let events = curl.events(&format!("{run}/events"), &[]).await?;
    ensure!(names(&events) == ["run.started", "run.completed"], "{stopped}: {events:#?}");
    ensure!(events[1].1["reason"] == "cancelled", "{events:#?}");
    ensure!(curl.json(&run, &[]).await?["status"] == "cancelled");
    agent.calls_ended(&["complete", "closed_by_client"]).await?;
    ensure!(agent.conversations() == [["Count."], ["Wait."]], "{:#?}", agent.conversations());
    Ok(())
}

#[docker_test]
async fn curl_keeps_forks_and_deletes_sessions() -> Result<()> {
    let agent = Agent::start().await?;
    agent.model.script(&json!([{"text": "One."}, {"text": "Two."}, {"text": "Apart."}]))?;
    let curl = agent.curl().await?;
    let created = curl.json("/api/sessions", &["--data", r#"{"title": "Plans"}"#]).await?;
    let session = format!("/api/sessions/{}", created["id"].as_str().context("id")?);
    let one = curl.json(&format!("{session}/chat"), &["--data", r#"{"message": "first"}"#]).await?;
    ensure!(one["text"] == "One." && one["reason"] == "end_turn", "{one}");
    let fork = curl.json(&format!("{session}/fork"), &["--request", "POST"]).await?;
    let events =
        curl.events(&format!("{session}/chat/stream"), &["--data", r#"{"message": "second"}"#]).await?;
    ensure!(
        events.last().is_some_and(|(name, data)| name == "run.completed" && data["text"] == "Two."),
        "{events:#?}"
    );
    let apart = format!("/api/sessions/{}/chat", fork["id"].as_str().context("id")?);
    let apart = curl.json(&apart, &["--data", r#"{"message": "elsewhere"}"#]).await?;
    ensure!(apart["text"] == "Apart." && fork["parent"] == created["id"], "{apart} {fork}");
    let conversations = agent.conversations();
    let expected: [&[&str]; 3] = [&["first"], &["first", "One.", "second"], &["first", "One.", "elsewhere"]];
    ensure!(conversations == expected, "{conversations:#?}");

    let messages = curl.json(&format!("{session}/messages?limit=3"), &[]).await?;
    let texts: Vec<_> =
        messages["data"].as_array().context("data")?.iter().map(|one| &one["content"]).collect();
    ensure!(texts == ["first", "One.", "second"], "{messages:#}");
    let renamed = curl.json(&session, &["--request", "PATCH", "--data", r#"{"title": "Better"}"#]).await?;
    ensure!(renamed["title"] == "Better" && renamed["messages"] == 4, "{renamed}");
    let listed = curl.json("/api/sessions?limit=5", &[]).await?;
    ensure!(listed["data"].as_array().is_some_and(|all| all.len() == 2), "{listed:#}");
    ensure!(curl.json(&session, &["--request", "DELETE"]).await?["deleted"] == true);
    let gone = curl.json(&session, &[]).await?;
    ensure!(gone["error"]["code"] == "session_not_found", "{gone}");
    let listed = hermes(&agent.container, "sessions list --json").await?.success().stdout();
    ensure!(!listed.contains("Better") && listed.contains(fork["id"].as_str().context("id")?), "{listed}");
    Ok(())
}

#[docker_test]
async fn anthropic_talks_to_the_stand_in() -> Result<()> {
    let model = StandIn::start().await?;
    let usage = json!({"input": 10, "output": 5});
    model.script(&json!([
        {"text": "A whole message.", "usage": usage},
        {"text": "A streamed message.", "chunk_bytes": 4, "usage": usage},
        {"reasoning": "It asks.", "tool_calls": [{"name": "weather", "arguments": {"city": "Bern"}}]},
        {"text": "It is sunny."},
        {"fault": "status", "status": 429, "message": "Too fast."},
        {"fault": "status", "status": 529},
        {"fault": "error_in_stream", "message": "It broke."},
    ]))?;
    let url = model.url().trim_end_matches("/v1").to_owned();
    let found = python("anthropic", "anthropic_messages.py", &[("URL", &url)]).await?;
    let refusal = &found[4][3];
    printed(
        &found,
        &json!([
            [["stand-in"]],
            ["A whole message.", "end_turn", 10, 5],
            ["A streamed message.", 5, "A streamed message.", "end_turn", 5],
            [["thinking", "tool_use"], "weather", {"city": "Bern"}, "tool_use"],
            ["BadRequestError", 400, "invalid_request_error", refusal],
            ["It is sunny."],
            ["RateLimitError", 429, "rate_limit_error", "Too fast."],
            ["OverloadedError", 529, "overloaded_error", "Overloaded"],
            ["APIStatusError", 200, "overloaded_error", "It broke."],
        ]),
    )?;
    ensure!(refusal.as_str().is_some_and(|text| text.contains("without `tool_result` blocks")), "{refusal}");
    let requests = model.requests();
    ensure!(requests.len() == 9, "{requests:#?}");
    for request in &requests[1..] {
        ensure!(
            request["path"] == "/v1/messages" && request["headers"]["authorization"] == "Bearer a-key",
            "{request:#}"
        );
        ensure!(request["body"]["tools"][0]["name"] == "weather", "{request:#}");
    }
    // The signature and the result go back as they came.
    let told = &requests[5]["body"]["messages"];
    ensure!(
        told[1]["content"][0]["type"] == "thinking" && told[2]["content"][0]["content"] == "sunny",
        "{told:#}"
    );
    Ok(())
}
