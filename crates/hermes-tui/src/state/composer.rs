//! The field where a person writes a message.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hermes_terminal::slash;
use ratatui_textarea::{CursorMove, TextArea, WrapMode};

use super::history::History;

/// The candidates that the list under the field shows.
pub(crate) const CANDIDATES_MAX: usize = 8;

/// The completions of the word at the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Candidates {
    pub(crate) words: Vec<String>,
    pub(crate) selected: usize,
    /// The characters before the cursor that a candidate replaces.
    length: usize,
}

/// The outcome of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pressed {
    /// The field took it.
    Taken,
    /// A file is to complete: the begin of its name is given.
    File(String),
    /// The message is complete.
    Send(String),
}

/// The field.
#[derive(Debug)]
pub(crate) struct Composer {
    pub(crate) area: TextArea<'static>,
    pub(crate) history: History,
    pub(crate) candidates: Candidates,
}

impl Composer {
    pub(crate) fn new() -> Self {
        Self { area: area_of(""), history: History::default(), candidates: Candidates::default() }
    }

    pub(crate) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Replaces the text. The cursor stands at its end.
    pub(crate) fn set(&mut self, text: &str) {
        self.area = area_of(text);
        self.candidates = Candidates::default();
    }

    /// Inserts a paste as one block. Terminals send `\r` for the newlines of a paste.
    pub(crate) fn paste(&mut self, text: &str) {
        self.area.insert_str(text.replace("\r\n", "\n").replace('\r', "\n"));
        self.history.reset();
        self.candidates = Candidates::default();
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> Pressed {
        let is_plain = key.modifiers.is_empty() || key.modifiers == KeyModifiers::SHIFT;
        match key.code {
            KeyCode::Enter if key.modifiers.is_empty() => {
                if self.candidates.words.is_empty() || !self.accept() {
                    return self.send();
                }
            }
            KeyCode::Enter => self.area.insert_newline(),
            KeyCode::Char('j') if key.modifiers == KeyModifiers::CONTROL => self.area.insert_newline(),
            KeyCode::Tab if self.candidates.words.is_empty() => return self.complete(),
            KeyCode::Tab => self.select(1),
            KeyCode::BackTab => self.select(-1),
            KeyCode::Up if !self.candidates.words.is_empty() => self.select(-1),
            KeyCode::Down if !self.candidates.words.is_empty() => self.select(1),
            KeyCode::Esc => self.candidates = Candidates::default(),
            KeyCode::Up if is_plain && self.area.cursor().0 == 0 => {
                if let Some(text) = self.history.older(&self.text()) {
                    self.set(&text);
                }
            }
            KeyCode::Down if is_plain && self.area.cursor().0 + 1 == self.area.lines().len() => {
                if let Some(text) = self.history.newer() {
                    self.set(&text);
                }
            }
            _ => {
                if self.area.input(key) {
                    self.history.reset();
                }
                self.offer_commands();
            }
        }
        Pressed::Taken
    }

    /// Offers files for the word at the cursor, which is an `@` and the begin of a name.
    pub(crate) fn offer_files(&mut self, files: Vec<String>) {
        let Some(begin) = self.file_begin() else { return };
        let length = begin.chars().count();
        self.candidates = Candidates { words: files, selected: 0, length };
        if self.candidates.words.len() == 1 {
            self.accept();
        }
    }

    fn send(&mut self) -> Pressed {
        let text = self.text();
        // A `\` at the end of the line continues the message.
        if let Some(begun) = text.strip_suffix('\\').filter(|text| !text.ends_with('\\')) {
            self.set(&format!("{begun}\n"));
            return Pressed::Taken;
        }
        if text.trim().is_empty() {
            return Pressed::Taken;
        }
        self.set("");
        self.history.reset();
        Pressed::Send(text.trim_end().to_owned())
    }

    /// Returns the text of the line before the cursor.
    fn before_cursor(&self) -> String {
        let cursor = self.area.cursor();
        let line = self.area.lines().get(cursor.0).cloned().unwrap_or_default();
        line.chars().take(cursor.1).collect()
    }

    fn file_begin(&self) -> Option<String> {
        let before = self.before_cursor();
        let word = before.rsplit(char::is_whitespace).next()?;
        word.strip_prefix('@').map(str::to_owned)
    }

    fn complete(&mut self) -> Pressed {
        match self.file_begin() {
            Some(begin) => Pressed::File(begin),
            None => {
                self.offer_commands();
                if self.candidates.words.len() == 1 {
                    self.accept();
                }
                Pressed::Taken
            }
        }
    }

    /// Offers slash commands while the first word is written.
    fn offer_commands(&mut self) {
        let before = self.before_cursor();
        let is_first = self.area.cursor().0 == 0 && self.area.lines().len() == 1;
        let words = if is_first && before.len() > 1 { slash::completions(&before) } else { Vec::new() };
        let is_whole = words.iter().any(|word| word.trim_end() == before);
        let words = if is_whole { Vec::new() } else { words };
        self.candidates = Candidates { words, selected: 0, length: before.chars().count() };
    }

    fn select(&mut self, step: isize) {
        let count = self.candidates.words.len().clamp(1, CANDIDATES_MAX).cast_signed();
        let selected = self.candidates.selected.cast_signed() + step;
        self.candidates.selected = selected.rem_euclid(count).unsigned_abs();
    }

    /// Replaces the word by the selected candidate. Returns `false` without a change.
    fn accept(&mut self) -> bool {
        let candidates = std::mem::take(&mut self.candidates);
        let Some(word) = candidates.words.get(candidates.selected) else { return false };
        for _ in 0..candidates.length {
            self.area.delete_char();
        }
        self.area.insert_str(word);
        true
    }
}

fn area_of(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_cursor_line_style(ratatui::style::Style::default());
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    area
}
