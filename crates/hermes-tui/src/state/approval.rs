//! The dialog of an approval. No key that a person types by chance answers it. The first key selects an answer, and Enter confirms it.
//! Keys that come within a moment after its begin do nothing.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent};
use hermes_agent::approval::{Answer, Approval};

/// The time in which a person who types cannot have read the question.
const UNREAD: Duration = Duration::from_millis(700);

/// The answers with their keys, in the order of the screen.
pub(crate) const CHOICES: [(char, Answer, &str); 4] = [
    ('o', Answer::Once, "once"),
    ('s', Answer::Session, "for this session"),
    ('a', Answer::Always, "always"),
    ('d', Answer::Deny, "deny"),
];

/// A question that waits.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) approval: Approval,
    pub(crate) selected: Option<Answer>,
    shown: Instant,
}

impl Dialog {
    pub(crate) fn new(approval: Approval, now: Instant) -> Self {
        Self { approval, selected: None, shown: now }
    }

    /// Takes a key. Returns the answer when it is confirmed.
    pub(crate) fn press(&mut self, key: KeyEvent, now: Instant) -> Option<Answer> {
        if now.saturating_duration_since(self.shown) < UNREAD {
            // A person who goes on typing has not read it.
            self.shown = now;
            return None;
        }
        match key.code {
            KeyCode::Char(letter) => {
                let choice = CHOICES.iter().find(|(key, ..)| *key == letter.to_ascii_lowercase());
                self.selected = choice.map(|(_, answer, _)| *answer);
                None
            }
            KeyCode::Left | KeyCode::Up => self.select(-1),
            KeyCode::Right | KeyCode::Down | KeyCode::Tab => self.select(1),
            KeyCode::Enter => self.selected,
            _ => None,
        }
    }

    fn select(&mut self, step: isize) -> Option<Answer> {
        let at = CHOICES.iter().position(|(_, answer, _)| Some(*answer) == self.selected);
        let next = match at {
            Some(at) => (at.cast_signed() + step).rem_euclid(CHOICES.len().cast_signed()).unsigned_abs(),
            None if step > 0 => 0,
            None => CHOICES.len() - 1,
        };
        self.selected = Some(CHOICES[next].1);
        None
    }
}
