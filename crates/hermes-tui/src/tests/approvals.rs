//! Approvals: no key answers one by chance.

use crossterm::event::KeyCode;
use hermes_agent::approval::Answer;
use serde_json::{Value, json};

use super::Bench;
use crate::state::Effect;

fn question(id: &str, subject: &str) -> Value {
    json!({"type": "approval_requested", "approval": {
        "id": id, "session": "s", "turn": 1, "call_id": "c", "tool": "terminal", "asked_at": 0, "expires_at": 0,
        "subject": subject, "reason": "network", "state": "pending", "answered_by": null,
    }})
}

fn answered(id: &str, answer: Answer) -> Vec<Effect> {
    vec![Effect::Answer(id.to_owned().into(), answer)]
}

#[test]
fn keys_of_a_person_who_types_answer_no_approval() {
    let mut bench = Bench::new(80, 24);
    bench.say("go on");
    bench.tell(question("appr_1", "curl example.org"));
    // The text that was meant as a message, with each letter of an answer.
    for character in "also do this asap".chars() {
        bench.wait(120);
        assert_eq!(bench.press(KeyCode::Char(character)), []);
    }
    assert_eq!(bench.press(KeyCode::Enter), []);
    bench.shows("curl example.org");
}

#[test]
fn an_answer_needs_a_choice_and_enter() {
    let mut bench = Bench::new(80, 24);
    bench.tell(question("appr_1", "curl example.org"));
    bench.wait(1000);
    assert_eq!(bench.press(KeyCode::Enter), []);
    assert_eq!(bench.press(KeyCode::Char('s')), []);
    bench.shows("Enter confirms");
    assert_eq!(bench.press(KeyCode::Enter), answered("appr_1", Answer::Session));
}

#[test]
fn arrows_select_answers_in_a_circle() {
    let mut bench = Bench::new(80, 24);
    bench.tell(question("appr_1", "curl example.org"));
    bench.wait(1000);
    bench.press(KeyCode::Left);
    assert_eq!(bench.press(KeyCode::Enter), answered("appr_1", Answer::Deny));
    bench.press(KeyCode::Right);
    assert_eq!(bench.press(KeyCode::Enter), answered("appr_1", Answer::Once));
    // Another letter takes the choice back.
    bench.press(KeyCode::Char('q'));
    assert_eq!(bench.press(KeyCode::Enter), []);
}

#[test]
fn the_dialog_shows_each_character_of_a_command() {
    let mut bench = Bench::new(80, 24);
    bench.tell(question("appr_1", "echo hi \u{1b}[2J\u{202e}\nrm -rf ~"));
    let screen = bench.screen();
    assert!(screen.contains(r"echo hi \u{1b}[2J\u{202e}") && screen.contains("rm -rf ~"), "{screen}");
}

#[test]
fn a_long_command_says_how_much_is_hidden() {
    let mut bench = Bench::new(80, 24);
    let script: String = (0..100).map(|number| format!("echo {number}\n")).collect();
    bench.tell(question("appr_1", &script));
    bench.shows("more lines: make the terminal higher");
    bench.shows("[d] deny");
}

#[test]
fn the_next_question_waits_for_its_own_answer() {
    let mut bench = Bench::new(80, 24);
    bench.tell(question("appr_1", "first"));
    bench.tell(question("appr_2", "second"));
    bench.shows("(1 more wait)");
    bench.tell(json!({"type": "approval_ended", "id": "appr_1", "state": "deny"}));
    bench.shows("second");
    bench.tell(json!({"type": "approval_ended", "id": "appr_2", "state": "expired"}));
    bench.lacks("asks to run");
    bench.shows("nobody answered in time");
}
