//! Renders an answer while it comes. It only adds text: the cursor never moves up, and nothing is drawn twice.
//!
//! A block is printed once it is certain that it ended. Three kinds come earlier: the lines of a code block between fences, the items of
//! a list, and the words of a paragraph. The output depends on the text alone, not on its division into pieces. Two rules of CommonMark
//! would need a second drawing, so they do not hold. A line of `===` or `---` makes no heading of the paragraph before it, and a
//! table's first line begins with `|`.

mod words;

use hermes_os::printable::printable;

use hermes_terminal::markdown::{self, Fence, Kind, Place, Style};

/// A block of this size is printed although its end has not come, in bytes.
const BLOCK_MAX: usize = 64 * 1024;
/// A paragraph of this size is printed at its end only, in bytes: each piece renders it again.
const WORDS_MAX: usize = 8 * 1024;

/// The state of an answer that comes in pieces.
#[derive(Debug)]
pub(crate) struct Stream {
    width: usize,
    style: Style,
    /// Whole lines of the block that is open.
    pending: String,
    /// The line that is not complete.
    partial: String,
    /// The code block that is open.
    fence: Option<Fence>,
    next_number: Option<u64>,
    /// A blank line came, and no text since.
    is_spaced: bool,
    /// Text was printed.
    is_begun: bool,
    /// The beginning of the open paragraph that is printed, and the width that it has.
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    /// The length of its source, in bytes.
    length: usize,
    text: String,
    width: usize,
}

/// Returns the whole `text` for a terminal.
pub(crate) fn render(text: &str, width: usize, style: Style) -> String {
    let mut stream = Stream::new(width, style);
    let mut rendered = stream.push_lines(text);
    rendered.push_str(&stream.finish());
    rendered
}

impl Stream {
    /// Returns the state before the first piece. `width` is the number of columns.
    pub(crate) fn new(width: usize, style: Style) -> Self {
        Self {
            width,
            style,
            pending: String::new(),
            partial: String::new(),
            fence: None,
            next_number: None,
            is_spaced: false,
            is_begun: false,
            shown: None,
        }
    }

    /// Changes the width. It counts for the blocks that follow.
    pub(crate) fn resize(&mut self, width: usize) {
        self.width = width;
    }

    /// Takes a piece. Returns the text to print.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        let mut out = self.push_lines(piece);
        self.put_words(&mut out);
        out
    }

    /// Takes the end. Returns the text to print, which ends with a newline. The next piece begins a new text.
    pub(crate) fn finish(&mut self) -> String {
        let mut out = String::new();
        let last = std::mem::take(&mut self.partial);
        if !last.is_empty() {
            self.line(&last, &mut out);
        }
        self.put_blocks(self.pending.len(), &mut out);
        *self = Self::new(self.width, self.style);
        out
    }

    fn push_lines(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for part in piece.split_inclusive('\n') {
            // A carriage return is never text.
            self.partial.extend(part.chars().filter(|character| *character != '\r'));
            if part.ends_with('\n') {
                let line = std::mem::take(&mut self.partial);
                self.line(&line, &mut out);
            }
        }
        out
    }

    fn line(&mut self, line: &str, out: &mut String) {
        if let Some(fence) = &self.fence {
            if fence.is_closed_by(line.trim_end()) {
                self.fence = None;
            } else {
                let content = fence.content(line.trim_end_matches('\n'));
                out.push_str(&markdown::code_line(content).paint(self.style));
                out.push('\n');
            }
            return;
        }
        let line = &cleaned(line);
        if self.pending.is_empty() && line.trim().is_empty() {
            self.is_spaced = true;
            return;
        }
        if self.would_change_paragraph(line) {
            self.put_blocks(self.pending.len(), out);
        }
        self.pending.push_str(line);
        self.put_ended(line.trim().is_empty(), out);
    }

    /// Returns `true` for a line that would turn the open paragraph into a heading, or into a table without `|` at its beginning.
    fn would_change_paragraph(&self, line: &str) -> bool {
        let text = line.trim();
        let consists_of = |signs: &[char]| !text.is_empty() && text.chars().all(|sign| signs.contains(&sign));
        let is_row = |line: &str| line.trim_start().starts_with('|');
        let is_table = text.contains(['|', ':']) && self.pending.lines().last().is_some_and(is_row);
        let is_ambiguous = consists_of(&['=']) || consists_of(&['-', ':', '|', ' ', '\t']) && !is_table;
        let is_paragraph = |block: &markdown::Block| block.kind == Kind::Paragraph;
        is_ambiguous && markdown::outline(&self.pending).last().is_some_and(is_paragraph)
    }

    /// Prints the blocks that have ended.
    fn put_ended(&mut self, is_blank: bool, out: &mut String) {
        let blocks = markdown::outline(&self.pending);
        let Some(last) = blocks.last() else { return };
        let has_ended = match last.kind {
            Kind::Line => true,
            Kind::Paragraph | Kind::Region => is_blank,
            Kind::Item | Kind::Fenced | Kind::Other => false,
        };
        let end = if has_ended || self.pending.len() > BLOCK_MAX { self.pending.len() } else { last.start };
        self.put_blocks(end, out);
        if last.kind == Kind::Fenced && self.pending.lines().count() == 1 {
            self.open_fence(out);
        }
    }

    fn open_fence(&mut self, out: &mut String) {
        let Some(fence) = Fence::opened_by(self.pending.trim_end()) else { return };
        self.pending.clear();
        self.put_space(out);
        if let Some(line) = markdown::language_line(&fence.info) {
            out.push_str(&line.paint(self.style));
            out.push('\n');
        }
        self.fence = Some(fence);
        self.next_number = None;
    }

    /// Prints the first `end` bytes of the pending text.
    fn put_blocks(&mut self, end: usize, out: &mut String) {
        if end == 0 {
            return;
        }
        let rest = self.pending.split_off(end);
        let source = std::mem::replace(&mut self.pending, rest);
        let shown = self.shown.take();
        let width = shown.as_ref().map_or(self.width, |shown| shown.width);
        let chunk =
            markdown::chunk(&source, Place { width, style: self.style, next_number: self.next_number });
        let text = chunk.paint(self.style);
        if !text.is_empty() {
            if shown.is_none() {
                self.put_space(out);
            }
            out.push_str(behind(&text, shown.as_ref().map_or("", |shown| &shown.text)));
            self.is_begun = true;
        }
        self.next_number = chunk.next_number;
        self.is_spaced |= source.lines().last().is_some_and(|line| line.trim().is_empty());
    }

    /// Prints the words of an open paragraph that nothing can change.
    fn put_words(&mut self, out: &mut String) {
        if self.fence.is_some() || self.pending.len() + self.partial.len() > WORDS_MAX {
            return;
        }
        // An escape sequence may contain spaces, and be incomplete.
        if self.partial.contains('\u{1b}') {
            return;
        }
        let text = format!("{}{}", self.pending, cleaned(&self.partial));
        let Some(settled) = words::settled(&text) else { return };
        if self.shown.as_ref().is_some_and(|shown| shown.length == settled.len()) {
            return;
        }
        let width = self.shown.as_ref().map_or(self.width, |shown| shown.width);
        let place = Place { width, style: self.style, next_number: None };
        let text = markdown::chunk(settled, place).paint(self.style);
        let text = text.trim_end_matches('\n');
        if text.is_empty() {
            return;
        }
        if self.shown.is_none() {
            self.put_space(out);
        }
        out.push_str(behind(text, self.shown.as_ref().map_or("", |shown| &shown.text)));
        self.is_begun = true;
        self.shown = Some(Shown { length: settled.len(), text: text.to_owned(), width });
    }

    /// Puts the blank line before a block.
    fn put_space(&mut self, out: &mut String) {
        if std::mem::take(&mut self.is_spaced) && self.is_begun {
            out.push('\n');
        }
        self.is_begun = true;
    }
}

/// Returns the line without escape sequences: the parser would take `[` of one as the beginning of a link.
fn cleaned(line: &str) -> String {
    match line.strip_suffix('\n') {
        Some(line) => printable(line.as_bytes()) + "\n",
        None => printable(line.as_bytes()),
    }
}

/// Returns the part of `text` behind `shown`, which is its beginning.
fn behind<'a>(text: &'a str, shown: &str) -> &'a str {
    text.strip_prefix(shown).unwrap_or_else(|| {
        let same = text.char_indices().zip(shown.chars()).find(|((_, one), other)| one != other);
        same.and_then(|((index, _), _)| text.get(index..)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests;
