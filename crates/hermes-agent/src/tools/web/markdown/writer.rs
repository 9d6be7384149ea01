//! The writer of Markdown: it collapses space, and puts off line ends and marks until text follows.

use crate::tools::web::decode::is_hidden;

/// The deepest list and quote that is shown by indentation.
const DEPTH_MAX: usize = 8;

/// The most marks that are open at one time.
const MARKS_MAX: usize = 16;

/// The state of the output.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    /// The line ends before the next text.
    line_ends: usize,
    /// A space before the next text.
    has_space: bool,
    /// The text that begins the next line, as `# ` or `- `.
    prefix: String,
    marks: Vec<Mark>,
    lists: Vec<Option<i64>>,
    /// Lists beyond the depth that is shown.
    deeper_lists: usize,
    quotes: usize,
    /// The number of open `<pre>`.
    code: usize,
}

/// A mark around text, as `**`.
#[derive(Debug)]
struct Mark {
    tag: &'static str,
    open: &'static str,
    close: String,
    is_written: bool,
}

impl Writer {
    /// Returns the length of the text so far, in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns the text.
    pub(super) fn finish(mut self) -> String {
        if self.code > 0 {
            self.code = 1;
            self.end_code();
        }
        while let Some(mark) = self.marks.pop() {
            if mark.is_written {
                self.text += &mark.close;
            }
        }
        self.text.truncate(self.text.trim_end().len());
        self.text
    }

    /// Writes text.
    pub(super) fn text(&mut self, text: &str) {
        for letter in text.chars().filter(|letter| !is_hidden(*letter) || *letter == '\r') {
            if self.code > 0 {
                match letter {
                    '\r' => {}
                    '\n' => self.line_ends += 1,
                    _ => self.letter(letter),
                }
            } else if letter.is_whitespace() {
                self.has_space = true;
            } else {
                self.letter(letter);
            }
        }
    }

    fn letter(&mut self, letter: char) {
        self.flush();
        self.text.push(letter);
    }

    /// Writes what was put off.
    fn flush(&mut self) {
        let is_start = self.text.is_empty();
        if self.line_ends > 0 || is_start {
            let most = if self.code > 0 { usize::MAX } else { 2 };
            let ends = if is_start { 0 } else { self.line_ends.min(most) };
            let quote = "> ".repeat(self.quotes.min(DEPTH_MAX));
            for _ in 0..ends {
                self.text.truncate(self.text.trim_end_matches(' ').len());
                self.text.push('\n');
                self.text += &quote;
            }
            if is_start {
                self.text += &quote;
            }
            if self.code == 0 {
                let indent = self.lists.len().saturating_sub(1).min(DEPTH_MAX);
                self.text += &"  ".repeat(indent);
            }
            self.text += &std::mem::take(&mut self.prefix);
        } else if self.has_space && self.code == 0 && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
        (self.line_ends, self.has_space) = (0, false);
        if self.code == 0 {
            for mark in self.marks.iter_mut().filter(|mark| !mark.is_written) {
                self.text += mark.open;
                mark.is_written = true;
            }
        }
    }

    /// Ends the line.
    pub(super) fn line(&mut self) {
        self.break_lines(1);
    }

    /// Ends the paragraph.
    pub(super) fn block(&mut self) {
        self.break_lines(2);
    }

    fn break_lines(&mut self, ends: usize) {
        // A prefix without text yet keeps its line.
        if self.prefix.is_empty() && self.code == 0 {
            self.line_ends = self.line_ends.max(ends);
        }
    }

    /// Writes a line across the page.
    pub(super) fn rule(&mut self) {
        self.block();
        self.text("---");
        self.block();
    }

    /// Sets the begin of the line, which a space follows.
    pub(super) fn prefix(&mut self, prefix: &str) {
        self.prefix = format!("{prefix} ");
    }

    /// Writes the mark between two cells of a table.
    pub(super) fn cell(&mut self) {
        if self.line_ends > 0 || self.text.is_empty() {
            return;
        }
        self.has_space = false;
        self.text += if self.text.ends_with(' ') { "| " } else { " | " };
    }

    /// Opens a mark, which is written before the next text.
    pub(super) fn open(&mut self, tag: &'static str, open: &'static str, close: String) {
        let is_open = self.marks.iter().any(|mark| mark.tag == tag);
        if self.code == 0 && !is_open && self.marks.len() < MARKS_MAX {
            self.marks.push(Mark { tag, open, close, is_written: false });
        }
    }

    /// Closes the mark of a tag.
    pub(super) fn close(&mut self, tag: &str) {
        if let Some(place) = self.marks.iter().rposition(|mark| mark.tag == tag) {
            let mark = self.marks.remove(place);
            if mark.is_written {
                self.text += &mark.close;
            }
        }
    }

    /// Starts text that keeps its lines.
    pub(super) fn start_code(&mut self) {
        if self.code == 0 {
            self.block();
            self.text("```");
            self.line_ends = 1;
        }
        self.code += 1;
    }

    /// Ends text that keeps its lines.
    pub(super) fn end_code(&mut self) {
        self.code = self.code.saturating_sub(1);
        if self.code == 0 && !self.text.is_empty() {
            self.line_ends = 1;
            self.text("```");
            self.block();
        }
    }

    /// Starts a quote.
    pub(super) fn start_quote(&mut self) {
        self.block();
        self.quotes += 1;
    }

    /// Ends a quote.
    pub(super) fn end_quote(&mut self) {
        self.quotes = self.quotes.saturating_sub(1);
        self.block();
    }

    /// Starts a list, with the first number of an ordered one.
    pub(super) fn start_list(&mut self, first: Option<i64>) {
        if self.lists.is_empty() {
            self.block()
        } else {
            self.line()
        }
        if self.lists.len() < DEPTH_MAX {
            self.lists.push(first);
        } else {
            self.deeper_lists += 1;
        }
    }

    /// Ends a list.
    pub(super) fn end_list(&mut self) {
        if self.deeper_lists > 0 {
            self.deeper_lists -= 1;
        } else {
            self.lists.pop();
        }
        self.prefix.clear();
        if self.lists.is_empty() { self.block() } else { self.line() }
    }

    /// Starts an item of a list.
    pub(super) fn item(&mut self) {
        self.prefix.clear();
        self.line();
        match self.lists.last_mut() {
            Some(Some(number)) => {
                let text = format!("{number}.");
                *number = number.saturating_add(1);
                self.prefix(&text);
            }
            _ => self.prefix("-"),
        }
    }
}
