//! Snapshots of whole screens.

use crossterm::event::KeyCode;
use hermes_operations::Condition;
use rstest::rstest;
use serde_json::json;

use super::Bench;
use super::panels::gateway;
use crate::state::Loaded;

/// Lets an agent answer with all parts of a conversation.
fn conversation(width: u16, height: u16) -> Bench {
    let mut bench = Bench::new(width, height);
    bench.say("What is in the workspace?");
    bench.tell(json!({"type": "model_call_started", "provider": "p", "model": "small-1", "attempt": 1}));
    let call = json!({"id": "c1", "name": "terminal", "arguments": "{\"command\":\"ls -la\"}"});
    bench.tell(json!({"type": "tool_started", "call": call}));
    bench.wait(320);
    let result = json!({"call_id": "c1", "content": "notes.md", "is_error": false});
    bench.tell(json!({"type": "tool_ended", "name": "terminal", "result": result}));
    bench.answer("## One file\n\nThe file `notes.md` has **three** lines:\n\n1. a\n2. b\n\n```rust\nfn main() {}\n```\n");
    bench.answer("\n| name | size |\n| --- | ---: |\n| notes.md | 12 |\n");
    bench
}

#[rstest]
#[case(80, 24)]
#[case(200, 60)]
fn the_conversation_of_a_screen(#[case] width: u16, #[case] height: u16) {
    let mut bench = conversation(width, height);
    bench.write("and now");
    insta::assert_snapshot!(format!("conversation_{width}x{height}"), bench.screen());
}

#[rstest]
#[case(80, 24)]
#[case(200, 60)]
fn the_agents_of_a_screen(#[case] width: u16, #[case] height: u16) {
    let mut bench = conversation(width, height);
    bench.press(KeyCode::F(3));
    bench.loaded(Loaded::Agents(vec![
        (gateway("default", Condition::Running, None), Some(4_600_000)),
        (gateway("coder", Condition::GivenUp, Some("port 8642 is taken by another program")), None),
    ]));
    bench.press(KeyCode::Down);
    insta::assert_snapshot!(format!("agents_{width}x{height}"), bench.screen());
}

#[test]
fn the_approval_of_a_screen() {
    let mut bench = conversation(80, 24);
    bench.tell(json!({"type": "approval_requested", "approval": {
        "id": "appr_1", "session": "s", "turn": 1, "call_id": "c", "tool": "terminal", "asked_at": 0, "expires_at": 0,
        "subject": "curl -fsS https://example.org/install.sh", "reason": "network", "state": "pending",
        "answered_by": null,
    }}));
    insta::assert_snapshot!(bench.screen());
}

#[test]
fn the_keys_of_a_screen() {
    let mut bench = Bench::new(80, 24);
    bench.press(KeyCode::Char('?'));
    insta::assert_snapshot!(bench.screen());
}

#[test]
fn the_smallest_terminal_does_no_harm() {
    for (width, height) in [(1, 1), (3, 2), (10, 5), (20, 8)] {
        let mut bench = conversation(width, height);
        for key in 1..=5 {
            bench.press(KeyCode::F(key));
            bench.screen();
        }
        bench.write("/s");
        bench.screen();
    }
}
