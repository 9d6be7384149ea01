//! Messages, tools, commands and stored sessions.

use crossterm::event::KeyCode;
use hermes_agent::message::Usage;
use serde_json::json;

use super::{Bench, stored};
use crate::state::{Effect, Input, Loaded};

#[test]
fn a_message_is_remembered_shown_and_sent() {
    let mut bench = Bench::new(80, 24);
    let effects = bench.say("hello");
    assert_eq!(effects, [Effect::Remember("hello".to_owned()), Effect::Send("hello".to_owned())]);
    bench.shows("› hello");
    assert!(bench.app.composer.is_empty());
}

#[test]
fn a_tool_shows_its_state_time_and_output() {
    let mut bench = Bench::new(80, 24);
    bench.say("list");
    let call = json!({"id": "c1", "name": "terminal", "arguments": "{\"command\":\"ls\"}"});
    bench.tell(json!({"type": "tool_started", "call": call}));
    bench.shows("… terminal ls");
    bench.wait(2400);
    bench.shows("running terminal ls, 2 s");
    let result = json!({"call_id": "c1", "content": "notes.md\nexit code 0", "is_error": false});
    bench.tell(json!({"type": "tool_ended", "name": "terminal", "result": result}));
    bench.shows("✓ terminal ls  2.4 s");
    bench.lacks("notes.md");
    bench.control('t');
    bench.shows("│ notes.md");
    bench.control('t');
    bench.lacks("notes.md");
}

#[test]
fn control_c_interrupts_once_and_leaves_twice() {
    let mut bench = Bench::new(80, 24);
    bench.say("long");
    assert_eq!(bench.control('c'), [Effect::Interrupt]);
    bench.wait(500);
    assert_eq!(bench.control('c'), [Effect::Quit]);
    bench.wait(5000);
    assert_eq!(bench.control('c'), [Effect::Interrupt]);
}

#[test]
fn control_c_clears_the_message_of_an_idle_screen() {
    let mut bench = Bench::new(80, 24);
    bench.write("draft");
    assert_eq!(bench.control('c'), []);
    assert!(bench.app.composer.is_empty());
    bench.shows("Ctrl+C again leaves");
    bench.write("another draft");
    assert_eq!(bench.control('c'), [], "a key between them makes it the first one again");
    assert_eq!(bench.control('c'), [Effect::Quit]);
}

#[test]
fn a_late_message_is_sent_after_the_answer() {
    let mut bench = Bench::new(80, 24);
    bench.say("one");
    bench.say("two");
    bench.loaded(Loaded::Late("two".to_owned()));
    assert_eq!(bench.end(), [Effect::Send("two".to_owned())]);
    assert_eq!(bench.end(), []);
}

#[test]
fn queued_messages_wait_and_an_interrupt_gives_them_back() {
    let mut bench = Bench::new(80, 24);
    bench.say("one");
    assert_eq!(bench.say("/queue two"), [Effect::Remember("/queue two".to_owned())]);
    let ended = Loaded::TurnEnded { late: Vec::new(), was_interrupted: true };
    assert_eq!(bench.loaded(ended), []);
    assert_eq!(bench.app.composer.text(), "two");
}

#[test]
fn a_command_that_needs_an_idle_agent_says_so() {
    let mut bench = Bench::new(80, 24);
    bench.say("one");
    for command in ["/new", "/retry", "/undo", "/compact", "/resume x", "/model y"] {
        assert_eq!(bench.say(command).len(), 1, "{command} must wait");
    }
    bench.shows("the agent is answering");
    bench.end();
    assert_eq!(bench.say("/new").last(), Some(&Effect::New));
    assert_eq!(bench.say("/model big").last(), Some(&Effect::Model("big".to_owned())));
}

#[test]
fn a_misspelt_command_stays_in_the_field() {
    let mut bench = Bench::new(100, 24);
    bench.say("/hlep");
    bench.shows("there is no command /hlep");
    assert_eq!(bench.app.composer.text(), "/hlep");
}

#[test]
fn a_stored_session_looks_like_the_one_that_was_seen() {
    let mut bench = Bench::new(80, 24);
    let call = json!({"type": "tool_call", "id": "c1", "name": "read_file", "arguments": "{\"path\":\"a\"}"});
    let result = json!({"type": "tool_result", "call_id": "c1", "content": "no such file", "is_error": true});
    let messages = vec![
        stored(1, json!({"role": "user", "blocks": [{"type": "text", "text": "read it"}]})),
        stored(2, json!({"role": "assistant", "blocks": [call]})),
        stored(3, json!({"role": "tool", "blocks": [result]})),
        stored(4, json!({"role": "assistant", "blocks": [{"type": "text", "text": "It is **gone**."}]})),
    ];
    let usage = Usage { input: 100, cached: 50, output: 10, ..Usage::default() };
    bench.loaded(Loaded::Session { title: Some("Files".to_owned()), usage, messages, older: None });
    let screen = bench.screen();
    for part in
        ["› read it", "✗ read_file a", "It is gone.", "coder  ·  small-1  ·  Files", "110 tokens, 50% cached"]
    {
        assert!(screen.contains(part), "no {part:?}:\n{screen}");
    }
}

#[test]
fn text_of_the_model_cannot_control_the_terminal() {
    let mut bench = Bench::new(80, 24);
    bench.answer("a\u{1b}[2Jb \u{1b}]0;title\u{7}c\u{202e}d");
    bench.app.take(Input::Paste("\u{1b}[31mx".to_owned()), bench.now);
    let screen = bench.screen();
    let is_hostile = |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
    assert!(!screen.contains(is_hostile), "{screen:?}");
    bench.shows("ab c");
}

#[test]
fn an_answer_that_was_not_streamed_is_shown() {
    let mut bench = Bench::new(80, 24);
    bench.say("hi");
    bench.tell(json!({"type": "turn_started", "session": "s", "turn": 1}));
    bench.tell(json!({
        "type": "turn_ended", "session": "s", "turn": 1, "reason": "budget", "text": "Whole.",
        "usage": {"input": 0, "cached": 0, "cache_written": 0, "output": 0, "reasoning": 0},
    }));
    bench.shows("Whole.");
    bench.shows("the budget is used up");
}

#[test]
fn an_empty_message_sends_nothing() {
    let mut bench = Bench::new(80, 24);
    assert_eq!(bench.press(KeyCode::Enter), []);
    bench.write("   ");
    assert_eq!(bench.press(KeyCode::Enter), []);
}
