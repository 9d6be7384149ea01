//! Markdown for a terminal: CommonMark with tables, task lists and struck text, as lines of spans. A span has a face, which an SGR sequence or a screen shows.
//!
//! The functions are pure. Every text of the model passes [`printable`]: no control character and no escape sequence of an answer
//! reaches the terminal. The source decides about blank lines: one blank line stands where the source has one or more.

mod face;
mod outline;
mod page;
mod table;
mod wrap;

pub use face::{Face, Style};
pub use outline::{Block, Kind, outline};
pub use page::{Chunk, Fence, Place, chunk, code_line, language_line};
pub use wrap::{Line, Span, cut, wrap};

use pulldown_cmark::Options;

/// The extensions of CommonMark.
fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// Returns the line of `source` before the line that holds `offset`, or `None` at the beginning.
fn line_before(source: &str, offset: usize) -> Option<&str> {
    let before = source.get(..line_start(source, offset))?.strip_suffix('\n')?;
    Some(before.rsplit('\n').next().unwrap_or(before))
}

/// Returns the offset of the beginning of the line that holds `offset`.
fn line_start(source: &str, offset: usize) -> usize {
    source.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// Returns `true` for a line without text. The marks of a quote are no text.
fn is_blank(line: &str) -> bool {
    line.chars().all(|character| character.is_whitespace() || character == '>')
}
