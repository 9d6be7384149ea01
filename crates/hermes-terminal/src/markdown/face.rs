//! The look of a piece of text, and its SGR sequences (ECMA-48, 8.3.117).

use std::ffi::OsStr;

/// The look of the whole output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Bold, italic and colours, by SGR sequences.
    Coloured,
    /// No escape sequence.
    Plain,
}

impl Style {
    /// Returns the style that the environment asks for. `NO_COLOR` counts if it is not empty.
    pub fn of(no_color: Option<&OsStr>, term: Option<&OsStr>) -> Self {
        let is_refused = no_color.is_some_and(|value| !value.is_empty());
        let is_dumb = term.is_none_or(|term| term.is_empty() || term == "dumb");
        if is_refused || is_dumb { Self::Plain } else { Self::Coloured }
    }

    /// Returns `text` in this face.
    pub fn paint(self, text: &str, face: Face) -> String {
        if self == Self::Plain || face == Face::default() || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{}m{text}\u{1b}[0m", face.codes())
    }
}

/// The look of a piece of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Face {
    /// Bold.
    pub bold: bool,
    /// Less bright.
    pub dim: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined.
    pub underlined: bool,
    /// Struck through.
    pub struck: bool,
    /// Code: in colour.
    pub code: bool,
    /// A failure: in colour.
    pub alarm: bool,
}

impl Face {
    /// Secondary text: URLs, languages, lines of tools.
    pub const DIM: Self = Self { dim: true, ..Self::NONE };
    /// Code.
    pub const CODE: Self = Self { code: true, ..Self::NONE };
    /// A failure.
    pub const ALARM: Self = Self { alarm: true, ..Self::NONE };

    const NONE: Self = Self {
        bold: false,
        dim: false,
        italic: false,
        underlined: false,
        struck: false,
        code: false,
        alarm: false,
    };

    fn codes(self) -> String {
        let all = [
            (self.bold, "1"),
            (self.dim, "2"),
            (self.italic, "3"),
            (self.underlined, "4"),
            (self.struck, "9"),
            (self.alarm, "31"),
            (self.code, "36"),
        ];
        let set: Vec<_> = all.iter().filter_map(|(is_set, code)| is_set.then_some(*code)).collect();
        set.join(";")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, Some("xterm-256color"), Style::Coloured)]
    #[case(Some(""), Some("xterm"), Style::Coloured)]
    #[case(Some("1"), Some("xterm"), Style::Plain)]
    #[case(None, Some("dumb"), Style::Plain)]
    #[case(None, None, Style::Plain)]
    fn no_color_and_dumb_terminals_get_no_colours(
        #[case] no_color: Option<&str>,
        #[case] term: Option<&str>,
        #[case] expected: Style,
    ) {
        assert_eq!(Style::of(no_color.map(OsStr::new), term.map(OsStr::new)), expected);
    }

    #[test]
    fn a_face_is_closed_behind_its_text() {
        let face = Face { bold: true, italic: true, ..Face::default() };
        assert_eq!(Style::Coloured.paint("x", face), "\u{1b}[1;3mx\u{1b}[0m");
        assert_eq!(Style::Plain.paint("x", face), "x");
        assert_eq!(Style::Coloured.paint("x", Face::default()), "x");
    }
}
