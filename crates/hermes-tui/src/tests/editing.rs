//! The input field.

use crossterm::event::{KeyCode, KeyModifiers};
use hermes_agent::approval::Answer;

use super::Bench;
use crate::state::{Effect, Input, Loaded};

#[test]
fn a_message_has_several_lines() {
    let mut bench = Bench::new(80, 24);
    bench.write("one");
    bench.press_with(KeyCode::Enter, KeyModifiers::ALT);
    bench.write("two");
    bench.control('j');
    bench.write("three\\");
    assert_eq!(bench.press(KeyCode::Enter), []);
    let effects = bench.say("four");
    assert_eq!(effects[1], Effect::Send("one\ntwo\nthree\nfour".to_owned()));
}

#[test]
fn a_paste_is_one_block_and_sends_nothing() {
    let mut bench = Bench::new(80, 24);
    let effects = bench.app.take(Input::Paste("line 1\r\nline 2\rline 3".to_owned()), bench.now);
    assert_eq!(effects, []);
    assert_eq!(bench.app.composer.text(), "line 1\nline 2\nline 3");
}

#[test]
fn up_and_down_bring_messages_back() {
    let mut bench = Bench::new(80, 24);
    bench.loaded(Loaded::History(vec!["first".to_owned(), "second\nline".to_owned()]));
    bench.write("draft");
    let text = |bench: &Bench| bench.app.composer.text();
    bench.press(KeyCode::Up);
    assert_eq!(text(&bench), "second\nline");
    bench.press(KeyCode::Up);
    assert_eq!(text(&bench), "second\nline", "the cursor went to the first line");
    bench.press(KeyCode::Up);
    assert_eq!(text(&bench), "first");
    bench.press(KeyCode::Up);
    assert_eq!(text(&bench), "first");
    for expected in ["second\nline", "draft"] {
        bench.press(KeyCode::Down);
        assert_eq!(text(&bench), expected);
    }
}

#[test]
fn the_list_completes_commands() {
    let mut bench = Bench::new(80, 24);
    bench.write("/s");
    bench.shows("/sessions");
    bench.press(KeyCode::Down);
    bench.press(KeyCode::Enter);
    assert_eq!(bench.app.composer.text(), "/sessions");
    bench.lacks("/status");
    bench.press(KeyCode::Esc);
    assert_eq!(bench.app.composer.text(), "/sessions");
}

#[test]
fn tab_completes_a_file_behind_an_at() {
    let mut bench = Bench::new(80, 24);
    bench.write("look at @no");
    assert_eq!(bench.press(KeyCode::Tab), [Effect::Complete("no".to_owned())]);
    bench.loaded(Loaded::Files(vec!["notes.md".to_owned(), "now.txt".to_owned()]));
    bench.shows("now.txt");
    bench.press(KeyCode::Tab);
    bench.press(KeyCode::Enter);
    assert_eq!(bench.app.composer.text(), "look at @now.txt");
}

#[test]
fn the_editor_gets_the_message_and_its_text_comes_back() {
    let mut bench = Bench::new(80, 24);
    bench.write("begun");
    assert_eq!(bench.control('g'), [Effect::Edit("begun".to_owned())]);
    bench.loaded(Loaded::Edited("begun and ended\n".to_owned()));
    assert_eq!(bench.app.composer.text(), "begun and ended");
}

#[test]
fn an_approval_keeps_the_message_that_was_begun() {
    let mut bench = Bench::new(80, 24);
    bench.write("draft");
    let approval = serde_json::json!({"type": "approval_requested", "approval": {
        "id": "appr_1", "session": "s", "turn": 1, "call_id": "c", "tool": "terminal", "asked_at": 0, "expires_at": 0,
        "subject": "x", "reason": "network", "state": "pending", "answered_by": null,
    }});
    bench.tell(approval);
    bench.app.take(Input::Paste("o\n".to_owned()), bench.now);
    bench.wait(1000);
    bench.press(KeyCode::Char('d'));
    assert_eq!(bench.press(KeyCode::Enter), [Effect::Answer("appr_1".to_owned().into(), Answer::Deny)]);
    assert_eq!(bench.app.composer.text(), "draft");
}

#[test]
fn control_d_leaves_only_an_empty_message() {
    let mut bench = Bench::new(80, 24);
    bench.write("x");
    assert_eq!(bench.control('d'), []);
    bench.press(KeyCode::Backspace);
    assert_eq!(bench.control('d'), [Effect::Quit]);
}
