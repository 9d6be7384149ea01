//! The visible part of a long conversation.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};
use hermes_agent::message::Usage;
use serde_json::json;

use super::{Bench, stored};
use crate::state::{Effect, Loaded};

/// Returns a screen with a session whose messages have these numbers.
fn session(numbers: std::ops::Range<i64>, older: Option<i64>) -> Bench {
    let mut bench = Bench::new(80, 24);
    let messages = numbers.map(message).collect();
    bench.loaded(Loaded::Session { title: None, usage: Usage::default(), messages, older });
    bench
}

fn message(number: i64) -> hermes_agent::store::StoredMessage {
    let text = format!("message {number}");
    stored(number, json!({"role": "user", "blocks": [{"type": "text", "text": text}]}))
}

#[test]
fn the_screen_follows_the_end_until_the_person_scrolls() {
    let mut bench = session(0..50, None);
    bench.shows("message 49");
    bench.press(KeyCode::PageUp);
    bench.lacks("message 49");
    bench.shows("newer messages are below");
    bench.answer("An answer.");
    bench.lacks("An answer.");
    bench.press_with(KeyCode::End, KeyModifiers::CONTROL);
    bench.shows("An answer.");
}

#[test]
fn page_up_and_page_down_meet() {
    let mut bench = session(0..50, None);
    let end = bench.screen();
    for _ in 0..30 {
        bench.press(KeyCode::PageUp);
    }
    let begin = bench.screen();
    assert!(begin.contains("› message 0\n"), "{begin}");
    bench.press(KeyCode::PageUp);
    assert_eq!(bench.screen(), begin);
    for _ in 0..30 {
        bench.press(KeyCode::PageDown);
    }
    assert_eq!(bench.screen(), end);
}

#[test]
fn each_line_is_reached_once_by_scrolling() {
    let mut bench = session(0..40, None);
    let mut seen = Vec::new();
    for _ in 0..200 {
        let screen = bench.screen();
        let top = screen.lines().nth(1).unwrap().to_owned();
        seen.push(top);
        bench.app.transcript.scroll(1);
    }
    for number in 0..30 {
        assert!(seen.iter().any(|line| line.trim() == format!("› message {number}")), "{number}: {seen:?}");
    }
}

#[test]
fn older_messages_load_when_the_begin_comes_near() {
    let mut bench = session(200..230, Some(200));
    bench.screen();
    let mut effects = Vec::new();
    for _ in 0..10 {
        effects.extend(bench.press(KeyCode::PageUp));
    }
    assert_eq!(effects, [Effect::Older(200)], "one request at a time");
    let before = bench.screen();
    bench.loaded(Loaded::Older { messages: (100..200).map(message).collect(), older: None });
    assert_eq!(bench.screen(), before, "the visible part stays");
    bench.press(KeyCode::PageUp);
    bench.shows("message 199");
}

#[test]
fn a_new_width_keeps_the_place() {
    let mut bench = session(0..200, None);
    bench.screen();
    for _ in 0..20 {
        bench.press(KeyCode::PageUp);
    }
    let shown = |screen: &str| -> Vec<String> {
        screen.lines().filter(|line| line.contains("message ")).map(|line| line.trim().to_owned()).collect()
    };
    let before = shown(&bench.screen());
    bench.terminal.backend_mut().resize(40, 24);
    let after = shown(&bench.screen());
    assert_eq!(before.last(), after.last());
}

#[test]
fn a_frame_of_ten_thousand_messages_costs_what_is_visible() {
    let mut bench = session(0..10_000, None);
    bench.screen();
    let quickest = |bench: &mut Bench, frames: u32| {
        let times = (0..frames).map(|_| {
            let begin = Instant::now();
            bench.app.transcript.scroll(3);
            bench.screen();
            begin.elapsed()
        });
        times.min().unwrap_or(Duration::MAX)
    };
    let large = quickest(&mut bench, 20);
    let mut small = session(0..100, None);
    small.screen();
    let small = quickest(&mut small, 20);
    assert!(large < small * 20 + Duration::from_millis(2), "10,000 messages: {large:?}, 100: {small:?}");
}
