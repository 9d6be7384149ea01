//! Tests that press keys, and look at screens.

mod approvals;
mod conversation;
mod editing;
mod panels;
mod screens;
mod scrolling;

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hermes_agent::protocol::Event;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use crate::draw::draw;
use crate::state::{App, Effect, Input, Loaded};

/// A screen of a size, and its state.
struct Bench {
    app: App,
    terminal: Terminal<TestBackend>,
    now: Instant,
}

impl Bench {
    fn new(width: u16, height: u16) -> Self {
        let mut app = App::new("coder".to_owned(), false);
        app.model = "small-1".to_owned();
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        Self { app, terminal, now: Instant::now() }
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    fn press(&mut self, code: KeyCode) -> Vec<Effect> {
        self.press_with(code, KeyModifiers::NONE)
    }

    fn control(&mut self, letter: char) -> Vec<Effect> {
        self.press_with(KeyCode::Char(letter), KeyModifiers::CONTROL)
    }

    fn press_with(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
        self.app.take(Input::Key(KeyEvent::new(code, modifiers)), self.now)
    }

    fn write(&mut self, text: &str) {
        for character in text.chars() {
            assert_eq!(self.press(KeyCode::Char(character)), []);
        }
    }

    /// Writes a message and sends it.
    fn say(&mut self, text: &str) -> Vec<Effect> {
        self.write(text);
        self.press(KeyCode::Enter)
    }

    fn loaded(&mut self, loaded: Loaded) -> Vec<Effect> {
        self.app.take(Input::Loaded(loaded), self.now)
    }

    /// Lets the agent tell an event, in its JSON form.
    fn tell(&mut self, event: Value) {
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!(self.app.take(Input::Event(event), self.now), []);
    }

    fn answer(&mut self, text: &str) {
        self.tell(json!({"type": "text_delta", "text": text}));
    }

    fn end(&mut self) -> Vec<Effect> {
        self.tell(json!({
            "type": "turn_ended", "session": "s", "turn": 1, "reason": "end_turn", "text": "",
            "usage": {"input": 0, "cached": 0, "cache_written": 0, "output": 0, "reasoning": 0},
        }));
        self.loaded(Loaded::TurnEnded { late: Vec::new(), was_interrupted: false })
    }

    /// Returns the screen as text, without white space at the ends of its lines.
    fn screen(&mut self) -> String {
        self.terminal.draw(|frame| draw(frame, &mut self.app, self.now)).unwrap();
        let buffer = self.terminal.backend().buffer();
        let rows = buffer.content().chunks(usize::from(buffer.area().width));
        let row =
            |row: &[ratatui::buffer::Cell]| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
        rows.map(|cells| row(cells).trim_end().to_owned() + "\n").collect()
    }

    #[track_caller]
    fn shows(&mut self, text: &str) {
        let screen = self.screen();
        assert!(screen.contains(text), "no {text:?} on the screen:\n{screen}");
    }

    #[track_caller]
    fn lacks(&mut self, text: &str) {
        let screen = self.screen();
        assert!(!screen.contains(text), "{text:?} is on the screen:\n{screen}");
    }
}

/// Returns a message of the store, with the number `id`.
fn stored(id: i64, message: Value) -> hermes_agent::store::StoredMessage {
    hermes_agent::store::StoredMessage {
        id,
        turn: None,
        at: 0,
        message: serde_json::from_value(message).unwrap(),
        model: None,
        interrupted: false,
        summary: false,
        hidden: None,
    }
}
