//! A conversation on a terminal: the first time, Ctrl+C, other sizes, and the end.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Look, StandIn, Terminal, docker_test, secs};
use serde_json::{Value, json};

/// Begins a conversation, and waits for its prompt.
async fn begin(container: &Container, columns: u16) -> Result<Terminal> {
    let mut terminal = container.exec(["hermes"]).env("TERM", "xterm").open_terminal(columns, 24).await?;
    wait_for_prompt(&mut terminal).await?;
    Ok(terminal)
}

/// Waits until the last line is an empty prompt.
async fn wait_for_prompt(terminal: &mut Terminal) -> Result<()> {
    wait_for_prompt_with(terminal, "").await
}

/// Waits until the last line is a prompt with this text.
async fn wait_for_prompt_with(terminal: &mut Terminal, text: &str) -> Result<()> {
    let prompt = format!("› {text}");
    let is_last = |screen: &str| {
        screen.trim_end().lines().last().is_some_and(|line| line.trim_end() == prompt.trim_end())
    };
    terminal.wait_screen(&format!("the prompt {prompt:?}"), is_last, secs(20)).await?;
    Ok(())
}

/// Begins a conversation whose first answer takes a minute, and waits for its first words.
async fn begin_long_answer(model: &StandIn) -> Result<(Container, Terminal)> {
    let slow = "word ".repeat(2000);
    model.script(&json!([{"text": slow, "chunk_bytes": 5, "delay_ms": 20}, {"text": "Still here."}]))?;
    let container = model.idle().start_ready().await?;
    let mut terminal = begin(&container, 80).await?;
    terminal.type_line("talk").await?;
    terminal.wait_for("word word word", secs(10)).await?;
    Ok((container, terminal))
}

#[docker_test]
async fn the_first_conversation_asks_for_a_model() -> Result<()> {
    let model = StandIn::start().await?;
    let (container, mut terminal) = Container::builder().open_terminal(100, 40).await?;
    let url = model.url_for(&container).await?;
    for (question, answer) in
        [("Provider, by", "custom"), ("Base URL", &url), ("Key of custom", "sk-typed"), ("Model, by", "")]
    {
        terminal.wait_for(question, secs(20)).await?;
        terminal.type_line(answer).await?;
    }
    wait_for_prompt(&mut terminal).await?;
    ensure!(!terminal.screen().contains("sk-typed"), "{terminal:?}");
    model.script(&json!([{"text": "At your service."}]))?;
    terminal.type_line("hello").await?;
    terminal.wait_for("At your service.", secs(10)).await?;
    wait_for_prompt(&mut terminal).await?;
    terminal.type_line("/quit").await?;
    terminal.wait_for("continue with: hermes chat --resume", secs(10)).await?;
    terminal.wait_for("This container stays up", secs(10)).await?;
    let requests = model.requests();
    let key = requests.last().map(|request| &request["headers"]["authorization"]);
    ensure!(key.is_some_and(|key| key == "Bearer sk-typed"), "{key:?}");
    Ok(())
}

#[docker_test]
async fn control_c_ends_the_answer_and_twice_the_conversation() -> Result<()> {
    let model = StandIn::start().await?;
    let (container, mut terminal) = begin_long_answer(&model).await?;
    terminal.control('c').await?;
    wait_for_prompt(&mut terminal).await?;
    terminal.type_line("and now?").await?;
    terminal.wait_for("Still here.", secs(10)).await?;
    wait_for_prompt(&mut terminal).await?;
    terminal.control('c').await?;
    terminal.wait_for("Ctrl+C again leaves", secs(10)).await?;
    wait_for_prompt(&mut terminal).await?;
    terminal.control('c').await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 0, "{terminal:?}");
    let closed = async |_: &Container| {
        let outcomes: Vec<_> = model.requests().iter().map(|request| request["outcome"].clone()).collect();
        Ok(Look::holds(outcomes == ["closed_by_client", "complete"], || format!("{outcomes:?}")))
    };
    container.wait_until("the server saw the end of the first call", closed, secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn a_resize_keeps_the_answer_and_the_prompt() -> Result<()> {
    let model = StandIn::start().await?;
    let words: Vec<_> = (0..60).map(|count| format!("word{count:02}")).collect();
    // The new width counts for the paragraphs that begin after it.
    let text: Vec<_> = words.chunks(10).map(|paragraph| paragraph.join(" ")).collect();
    model.script(&json!([{"text": text.join("\n\n"), "chunk_bytes": 7, "delay_ms": 30}]))?;
    let container = model.idle().start_ready().await?;
    let mut terminal = begin(&container, 100).await?;
    terminal.type_line("count").await?;
    terminal.wait_for("word05", secs(10)).await?;
    terminal.resize(50, 24).await?;
    terminal.wait_for("word59", secs(10)).await?;
    wait_for_prompt(&mut terminal).await?;
    for word in &words[20..] {
        ensure!(terminal.screen().matches(word.as_str()).count() == 1, "{word}: {terminal:?}");
    }
    terminal.type_text("a line that is longer than what fits in it").await?;
    terminal.type_text(", so it wraps").await?;
    terminal.wait_for("› a line that is longer than what fits in it, so i\nt wraps", secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn sigterm_ends_a_conversation_that_waits_for_its_person() -> Result<()> {
    let model = StandIn::start().await?;
    let container = model.idle().start_ready().await?;
    let mut terminal = begin(&container, 80).await?;
    terminal.type_line("hi").await?;
    terminal.wait_for("stand-in", secs(10)).await?;
    wait_for_prompt(&mut terminal).await?;
    let kill = "for file in /proc/[0-9]*/cmdline; do [ \"$(tr '\\0' ' ' < $file)\" != 'hermes ' ] || \
                { pid=${file#/proc/}; kill -TERM ${pid%/cmdline}; }; done";
    container.exec_sh(kill).await?.success();
    ensure!(terminal.wait_exit(secs(10)).await? == 143, "{terminal:?}");
    Ok(())
}

#[docker_test]
async fn a_message_that_is_typed_during_an_answer_reaches_it() -> Result<()> {
    let model = StandIn::start().await?;
    let slow = "word ".repeat(60);
    model.script(&json!([
        {"text": slow, "chunk_bytes": 5, "delay_ms": 20},
        {"text": "Milk, too."},
        {"text": "And the queue."},
    ]))?;
    let container = model.idle().start_ready().await?;
    let mut terminal = begin(&container, 80).await?;
    terminal.type_line("a list").await?;
    terminal.wait_for("word word word", secs(10)).await?;
    terminal.type_line("/queue what waits?").await?;
    terminal.type_line("milk, to\u{7f}\u{7f}too").await?;
    terminal.type_text("unsent").await?;
    terminal.wait_for("Milk, too.", secs(20)).await?;
    terminal.wait_for("And the queue.", secs(20)).await?;
    wait_for_prompt_with(&mut terminal, "unsent").await?;
    let asked: Vec<_> = model.requests().iter().map(last_message).collect();
    ensure!(asked == ["a list", "milk, too", "what waits?"], "{asked:?}: {terminal:?}");
    Ok(())
}

#[docker_test]
async fn stop_is_a_command_during_an_answer() -> Result<()> {
    let model = StandIn::start().await?;
    let (_container, mut terminal) = begin_long_answer(&model).await?;
    terminal.type_line("/queue later").await?;
    terminal.type_line("/stop").await?;
    wait_for_prompt_with(&mut terminal, "later").await?;
    ensure!(model.requests().len() == 1, "{terminal:?}");
    Ok(())
}

/// Returns an answer of the model that asks the person.
fn question(question: &str, choices: &[&str]) -> Value {
    let arguments = json!({"question": question, "choices": choices});
    json!({"tool_calls": [{"id": "call_1", "name": "clarify", "arguments": arguments}]})
}

#[docker_test]
async fn a_digit_answers_a_question_of_the_agent() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([question("Which colour?", &["red", "blue"]), {"text": "Blue it is."}]))?;
    let container = model.idle().start_ready().await?;
    let mut terminal = begin(&container, 80).await?;
    terminal.type_line("paint it").await?;
    terminal.wait_for("2. blue", secs(20)).await?;
    terminal.wait_for("waiting for your answer", secs(10)).await?;
    terminal.type_line("2").await?;
    terminal.wait_for("Blue it is.", secs(20)).await?;
    wait_for_prompt(&mut terminal).await?;
    let requests = model.requests();
    let last = requests.last().map(|request| request["body"]["messages"].clone()).unwrap_or_default();
    let texts: Vec<_> = last.as_array().into_iter().flatten().map(|message| &message["content"]).collect();
    ensure!(texts.last().is_some_and(|text| *text == "blue"), "{texts:?}");
    ensure!(!texts.iter().any(|text| *text == "2"), "the answer is the result alone: {texts:?}");
    Ok(())
}

#[docker_test]
async fn control_c_ends_a_question_of_the_agent() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([question("Which colour?", &[]), {"text": "Still here."}]))?;
    let container = model.idle().start_ready().await?;
    let mut terminal = begin(&container, 80).await?;
    terminal.type_line("paint it").await?;
    terminal.wait_for("waiting for your answer", secs(20)).await?;
    terminal.control('c').await?;
    wait_for_prompt(&mut terminal).await?;
    terminal.type_line("and now?").await?;
    terminal.wait_for("Still here.", secs(20)).await?;
    Ok(())
}

#[docker_test]
async fn a_question_of_the_agent_holds_up_no_single_message() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([question("Which colour?", &["red"]), {"text": "Which colour?"}]))?;
    let container = model.idle().start_ready().await?;
    let asked = container.exec(["hermes", "chat", "-q", "paint it"]).deadline(secs(30)).await?;
    asked.success().stdout_is("Which colour?");
    let requests = model.requests();
    let result = requests.last().map(last_message).unwrap_or_default();
    ensure!(result.starts_with("Nobody can answer during this turn."), "{result}");
    Ok(())
}

/// Returns the text of the last message of a request.
fn last_message(request: &Value) -> String {
    let messages = request["body"]["messages"].as_array();
    let content = messages.and_then(|messages| messages.last()).map(|message| &message["content"]);
    content.and_then(Value::as_str).unwrap_or_default().to_owned()
}
