//! The line that is shown while nothing comes. It exists on a terminal only, in place: `\r` and erase-line (ECMA-48, 8.3.41).

use hermes_os::printable::printable;

use hermes_terminal::lines::shortened;
use hermes_terminal::markdown::{Face, Style};

/// The line on the terminal.
#[derive(Debug)]
pub(crate) struct StatusLine {
    /// The width of the terminal in columns. `None`: the line is never shown.
    width: Option<usize>,
    /// The text that is shown.
    shown: Option<String>,
}

impl StatusLine {
    /// Returns the line of a terminal of `width` columns. Without escape sequences it could not be erased, so it is not shown.
    pub(crate) fn new(width: usize, style: Style) -> Self {
        Self { width: (style == Style::Coloured).then_some(width), shown: None }
    }

    /// Returns a line that is never shown.
    pub(crate) fn none() -> Self {
        Self { width: None, shown: None }
    }

    pub(crate) fn resize(&mut self, width: usize) {
        self.width = self.width.map(|_| width);
    }

    /// Returns the text that shows `text` instead of the line before.
    pub(crate) fn show(&mut self, text: &str) -> String {
        let Some(width) = self.width else { return String::new() };
        // In the last column, a terminal would begin a new line.
        let text = shortened(&printable(text.as_bytes()), width.saturating_sub(1));
        if self.shown.as_ref() == Some(&text) {
            return String::new();
        }
        let line = format!("\r\u{1b}[K{}", Style::Coloured.paint(&text, Face::DIM));
        self.shown = Some(text);
        line
    }

    /// Returns the text that erases the line.
    pub(crate) fn erase(&mut self) -> String {
        if self.shown.take().is_some() { "\r\u{1b}[K".to_owned() } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_changed_in_place() {
        let mut line = StatusLine::new(20, Style::Coloured);
        assert_eq!(line.erase(), "");
        assert_eq!(line.show("waiting, 1 s"), "\r\u{1b}[K\u{1b}[2mwaiting, 1 s\u{1b}[0m");
        assert_eq!(line.show("waiting, 1 s"), "");
        assert_eq!(line.erase(), "\r\u{1b}[K");
        assert_eq!(line.show("waiting, 1 s"), "\r\u{1b}[K\u{1b}[2mwaiting, 1 s\u{1b}[0m");
    }

    #[test]
    fn the_line_never_fills_the_width_nor_moves_the_cursor() {
        let mut line = StatusLine::new(10, Style::Coloured);
        assert_eq!(line.show("terminal \u{1b}[2Jls\n-la"), "\r\u{1b}[K\u{1b}[2mterminal…\u{1b}[0m");
        let mut plain = StatusLine::new(10, Style::Plain);
        assert_eq!(plain.show("x") + &plain.erase(), "");
    }
}
